//! Golden files and refusals of [`MountPlan`].

use std::fs;
use std::path::Path;

use oci_spec::runtime::Spec;

use super::*;
use crate::mounts::{IdMap, IdMaps};

fn data(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/mounts")
        .join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(data(name)).unwrap()
}

fn maps() -> IdMaps {
    let map = |host| {
        vec![IdMap {
            container: 0,
            host,
            size: 1000,
        }]
    };
    IdMaps {
        uids: map(100_000),
        gids: map(200_000),
    }
}

/// Compares the plan of `NAME.json` on a host with `HOST.mountinfo` with `NAME.HOST.plan`. To write the golden files
/// anew, set LXCRI_TEST_BLESS=1 and look at what git says has changed.
fn golden(name: &str, host: &str, change: impl Fn(&mut Facts)) {
    let spec: Spec = serde_json::from_str(&read(&format!("{name}.json"))).unwrap();
    let mountinfo = read(&format!("{}.mountinfo", host.trim_end_matches("-userns")));
    let view = CgroupView::from_mountinfo(mountinfo.as_bytes());
    let mut facts = Facts::from_spec(&spec, view);
    change(&mut facts);
    let plan = MountPlan::new(&spec, &facts).unwrap().to_string();
    let file = data(&format!("{name}.{host}.plan"));
    if std::env::var_os("LXCRI_TEST_BLESS").is_some() {
        fs::write(&file, &plan).unwrap();
    }
    assert_eq!(
        plan,
        fs::read_to_string(&file).unwrap(),
        "{}",
        file.display()
    );
}

#[test]
fn the_bundle_of_runc_spec() {
    golden("runc", "hybrid", |_| {});
    golden("runc", "unified", |_| {});
    golden("runc", "unified-userns", |facts| {
        facts.user_ns = Some(maps())
    });
}

#[test]
fn a_bundle_of_podman() {
    golden("podman", "hybrid", |_| {});
    golden("podman", "unified", |_| {});
}

#[test]
fn a_bundle_of_containerd() {
    golden("containerd", "hybrid", |_| {});
}

#[test]
fn everything_there_is_without_a_cgroup_namespace() {
    golden("everything", "hybrid", |_| {});
    golden("everything", "unified", |_| {});
}

#[test]
fn everything_there_is_in_a_cgroup_namespace() {
    golden("everything", "hybrid-userns", |facts| {
        facts.cgroup_ns = true;
        facts.user_ns = Some(maps());
    });
}

fn plan(mounts: &str, linux: &str) -> Result<MountPlan, Error> {
    let json = format!(r#"{{"ociVersion":"1.0.2","mounts":{mounts},"linux":{linux}}}"#);
    let spec: Spec = serde_json::from_str(&json).unwrap();
    MountPlan::new(&spec, &Facts::from_spec(&spec, CgroupView::default()))
}

#[test]
fn mounts_that_cannot_be_made_are_refused_with_their_pointer() {
    let userns = r#"{"namespaces":[{"type":"user"}],
        "uidMappings":[{"containerID":0,"hostID":1,"size":5}],"gidMappings":[{"containerID":0,"hostID":1,"size":5}]}"#;
    for (mount, linux, message) in [
        (
            r#"{"destination":"/..","type":"tmpfs"}"#,
            "{}",
            "/mounts/0/destination: nothing can be mounted over the root; root.path says what it is",
        ),
        (
            r#"{"destination":"","type":"tmpfs"}"#,
            "{}",
            "/mounts/0/destination: a mount needs a destination",
        ),
        (
            r#"{"destination":"/.lxcri/x","type":"tmpfs"}"#,
            "{}",
            "/mounts/0/destination: /.lxcri belongs to the runtime",
        ),
        (
            r#"{"destination":"/proc","type":"tmpfs"}"#,
            "{}",
            "/mounts/0/destination: type \"tmpfs\" cannot be mounted on /proc",
        ),
        (
            r#"{"destination":"/x/../proc/self/attr","type":"tmpfs"}"#,
            "{}",
            "/mounts/0/destination: /proc/self/attr is inside /proc and must not be covered",
        ),
        (
            r#"{"destination":"/x"}"#,
            "{}",
            "/mounts/0/type: a mount needs a file system type, or one of the options bind and rbind",
        ),
        (
            r#"{"destination":"/x","type":"bind"}"#,
            "{}",
            "/mounts/0/source: a bind mount needs a source",
        ),
        (
            r#"{"destination":"/x","type":"bind","source":"/y","options":["ro","size=1"]}"#,
            "{}",
            "/mounts/0/options/1: mount option \"size=1\" is not supported for a bind mount",
        ),
        (
            r#"{"destination":"/x","source":"/y","options":["rbind","sync"]}"#,
            "{}",
            "/mounts/0/options/1: mount option \"sync\" is not supported for a bind mount",
        ),
        (
            r#"{"destination":"/x","type":"proc","options":["tmpcopyup"]}"#,
            "{}",
            "/mounts/0/options/0: mount option \"tmpcopyup\" is for a tmpfs only",
        ),
        (
            r#"{"destination":"/x","type":"bind","source":"/y","uidMappings":[{"containerID":0,"hostID":1,"size":5}]}"#,
            "{}",
            "/mounts/0/uidMappings: id-mapped mounts are not supported",
        ),
        (
            r#"{"destination":"/c","type":"cgroup","options":["ro","memory"]}"#,
            "{}",
            "/mounts/0/options/1: \"memory\" is not an option of this cgroup mount",
        ),
        (
            r#"{"destination":"/c","type":"cgroup"}"#,
            "{}",
            "/mounts/0/type: the host has no cgroup file system at /sys/fs/cgroup",
        ),
        (
            r#"{"destination":"/dev/pts","type":"devpts","options":["newinstance","gid=5"]}"#,
            userns,
            "/mounts/0/options/1: gid 5 has no mapping in the container's user namespace",
        ),
    ] {
        let error = plan(&format!("[{mount}]"), linux).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn paths_and_propagation_that_make_no_sense_are_refused_with_their_pointer() {
    for (linux, message) in [
        (
            r#"{"rootfsPropagation":"shared,private"}"#,
            "/linux/rootfsPropagation: \"shared,private\" is no propagation",
        ),
        (
            r#"{"rootfsPropagation":"ro"}"#,
            "/linux/rootfsPropagation: \"ro\" is no propagation",
        ),
        (
            r#"{"maskedPaths":["/a","b"]}"#,
            "/linux/maskedPaths/1: \"b\" is not absolute",
        ),
        (
            r#"{"readonlyPaths":["/a/.."]}"#,
            "/linux/readonlyPaths/0: the root itself cannot be covered",
        ),
        (
            r#"{"namespaces":[{"type":"user"}]}"#,
            "/linux/uidMappings: uid 0 has no mapping in the container's user namespace",
        ),
    ] {
        assert_eq!(plan("[]", linux).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_dev_of_the_host_is_not_touched() {
    let bound = plan(
        r#"[{"destination":"/dev/","type":"bind","source":"/dev"}]"#,
        "{}",
    )
    .unwrap();
    assert_eq!(bound.steps.len(), 1);
    let own = plan("[]", "{}").unwrap();
    assert!(own.steps.iter().any(|step| matches!(step, Step::Device(_))));
}
