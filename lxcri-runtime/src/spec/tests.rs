//! Whole bundles as runc, podman and containerd write them, reduced in length and free of their paths.

use super::*;
use crate::process_settings::init_files;
use serde_json::{Value, json};
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
        own_namespaces: Vec::new(),
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

/// Whatever stands in a bundle, the answer is one line or a set of one-line problems, and init's files
/// can be made of what passes.
fn take(content: &[u8]) {
    let file = Path::new("/b/config.json");
    let host = HostFacts::plain();
    let context = Context {
        host: host.clone(),
        systemd_cgroup: false,
        own_namespaces: Vec::new(),
    };
    let text = match parse(content, file) {
        Err(error) => error.to_string(),
        Ok(loaded) => {
            let report = check(&loaded, &context);
            if report.problems.is_empty() {
                init_files(&loaded, &host, 0).unwrap();
            }
            let remarks = report.warnings.iter().chain(&report.notes);
            let remarks: String = remarks.map(ToString::to_string).collect();
            report.problems.to_string() + &remarks
        }
    };
    assert!(!text.contains(char::is_control), "{text:?}");
}

/// All pointers of a document.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(member, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(elements) => {
            for (i, element) in elements.iter().enumerate() {
                pointers(element, &format!("{at}/{i}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn any_value_in_any_place_gets_an_answer() {
    let raw = loaded("podman-userns.json").raw;
    let mut places = Vec::new();
    pointers(&raw, "", &mut places);
    assert!(places.len() > 200, "{}", places.len());
    for place in places {
        for strange in [
            json!(null),
            json!(-1),
            json!(u64::MAX),
            json!("\u{1b}x\n"),
            json!([{}]),
            json!({"\n": []}),
        ] {
            let mut changed = raw.clone();
            *changed.pointer_mut(&place).unwrap() = strange;
            take(changed.to_string().as_bytes());
        }
    }
}

#[test]
fn any_cut_gets_an_answer() {
    let content = std::fs::read(data("containerd.json")).unwrap();
    for end in (0..content.len()).step_by(11) {
        take(&content[..end]);
    }
}
