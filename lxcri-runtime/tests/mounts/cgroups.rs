//! Mounts of type cgroup on the layout that the host has.

use std::fs;

use crate::Case;
use crate::container::{Bundle, Container};

pub const CASES: &[Case] = &[
    ("cgroups::with_a_cgroup_namespace", with_a_cgroup_namespace),
    (
        "cgroups::without_a_cgroup_namespace",
        without_a_cgroup_namespace,
    ),
    ("cgroups::read_only_or_not", read_only_or_not),
    ("cgroups::unified", unified),
];

const CGROUP: &str = r#"{"ociVersion":"1.0.2","mounts":[{"destination":"/sys","type":"sysfs"},
    {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid","ro"]}]}"#;

fn is_unified() -> bool {
    fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap()
}

/// Names of hierarchies below the host's /sys/fs/cgroup, and of symlinks to them.
fn hierarchies() -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir("/sys/fs/cgroup")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("cgroup.procs").exists())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn with_a_cgroup_namespace() {
    for want in ["cgroup,net", "cgroup,net,user"] {
        let mut container = Container::start(Bundle::new(), want);
        container.up(CGROUP).unwrap();
        if is_unified() {
            assert_eq!(container.mount_at("/sys/fs/cgroup").fstype, "cgroup2");
            continue;
        }
        assert_eq!(
            container.get("list", "/sys/fs/cgroup"),
            hierarchies().join(" ")
        );
        for line in container
            .mounts()
            .iter()
            .filter(|line| line.point.starts_with("/sys/fs/cgroup"))
        {
            assert_eq!(
                line.options, "ro,nosuid,nodev,noexec,relatime",
                "{}",
                line.point
            );
            let tmpfs = line.point == "/sys/fs/cgroup";
            assert_eq!(line.fstype.starts_with("cgroup"), !tmpfs, "{}", line.point);
        }
    }
}

fn without_a_cgroup_namespace() {
    let mut container = Container::start(Bundle::new(), "net");
    container.up(CGROUP).unwrap();
    if is_unified() {
        assert_eq!(container.mount_at("/sys/fs/cgroup").fstype, "cgroup2");
        return;
    }
    // Its own directory of each: this process is in it.
    for name in hierarchies() {
        let path = format!("/sys/fs/cgroup/{name}");
        if !fs::symlink_metadata(&path).unwrap().is_dir() {
            continue;
        }
        let procs = container.get("read", &format!("{path}/cgroup.procs"));
        assert!(procs.lines().any(|line| line == "1"), "{path}: {procs}");
        assert!(container.mount_at(&path).has("ro"));
    }
}

fn read_only_or_not() {
    let mut container = Container::start(Bundle::new(), "net,cgroup");
    container.up(&CGROUP.replace(r#","ro""#, "")).unwrap();
    for line in container
        .mounts()
        .iter()
        .filter(|line| line.point.starts_with("/sys/fs/cgroup"))
    {
        assert!(line.has("rw"), "{}", line.point);
    }
}

fn unified() {
    let mut container = Container::start(Bundle::new(), "cgroup");
    container
        .up(r#"{"ociVersion":"1.0.2","mounts":[{"destination":"/cg","type":"cgroup2","options":["ro","noexec"]}]}"#)
        .unwrap();
    let line = container.mount_at("/cg");
    assert_eq!(
        (line.fstype.as_str(), line.options.as_str()),
        ("cgroup2", "ro,noexec,relatime")
    );
    assert!(container.get("list", "/cg").contains("cgroup.procs"));
}
