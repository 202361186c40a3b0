//! Whole bundles as runc, podman and containerd write them, reduced in length and free of their paths.

use super::*;
use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/spec")
        .join(name)
}

fn loaded(name: &str) -> LoadedSpec {
    let file = data(name);
    parse(&std::fs::read(&file).unwrap(), &file).unwrap()
}

fn report(name: &str) -> Report {
    let host = HostFacts::plain();
    let context = Context {
        host,
        systemd_cgroup: false,
    };
    check(&loaded(name), &context)
}

#[test]
fn bundles_of_engines_have_neither_problems_nor_warnings() {
    let mut count = 0;
    for entry in std::fs::read_dir(data("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".json") {
            let report = report(&name);
            assert_eq!(report.problems.to_string(), "", "{name}");
            assert_eq!(report.warnings, [], "{name}");
            count += 1;
        }
    }
    assert!(count >= 7, "{count} bundles in {}", data("").display());
}

#[test]
fn namespaces_of_engines() {
    let new = |name: &str| Namespaces::of(&loaded(name).spec);
    let runc = new("runc.json");
    assert!(runc.pid.is_new() && runc.network.is_new() && !runc.cgroup.is_private());
    assert!(new("podman-userns.json").user.is_new());
    let privileged = new("podman-privileged.json");
    assert!(!privileged.pid.is_private() && !privileged.network.is_private());
    assert_eq!(
        new("containerd-joined.json").pid,
        Namespace::Path("/proc/1/ns/pid".into())
    );
}

#[test]
fn notes_are_for_those_who_look() {
    let notes = |name: &str| -> Vec<String> {
        report(name).notes.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        notes("runc.json"),
        [
            "/process/capabilities/ambient: CAP_KILL, CAP_NET_BIND_SERVICE, CAP_AUDIT_WRITE cannot be \
             granted, ignored: not in both the permitted and the inheritable set"
        ]
    );
    assert_eq!(
        notes("podman-userns.json"),
        ["/linux/devices/0/fileMode: bits beyond the permissions are ignored"]
    );
}

#[test]
fn filters_of_engines_compile() {
    for name in ["podman.json", "containerd-seccomp.json"] {
        let spec = loaded(name).spec;
        let seccomp = spec.linux().as_ref().and_then(|l| l.seccomp().as_ref());
        let filter = crate::seccomp::compile(seccomp.unwrap()).unwrap();
        assert!(filter.program.len() > 80, "{name}");
    }
}
