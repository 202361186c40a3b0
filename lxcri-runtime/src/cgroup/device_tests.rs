//! Device rules on the real thing: what a process inside can then open.

use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::process::{Command, Stdio};

use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;

use super::testing::{Sleeper, Temporary, in_every_view};
use super::*;

in_every_view!(
    "cgroup::device_tests",
    device_rules_hold_for_the_processes_inside,
    device_rules_can_be_replaced_while_processes_run,
    a_privileged_container_opens_everything,
    rules_stay_within_those_of_the_level_above,
);

fn parse(json: &str) -> LinuxResources {
    serde_json::from_str(json).unwrap()
}

/// A device that no default allows: readable by root, harmless to open.
const KMSG: &str = "/dev/kmsg";

/// Which of `paths` a process inside can open for reading, and then for reading and writing.
fn opened(cgroup: &Cgroup, paths: &[&str]) -> Vec<String> {
    let mut child = Command::new("sh")
        .args([
            "-c",
            "read go; for p; do (exec <$p) && echo r:$p; (exec <>$p) && echo rw:$p; done",
            "sh",
        ])
        .args(paths)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    cgroup.add(Pid::from_raw(child.id() as i32)).unwrap();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn has_kmsg() -> bool {
    let there = std::fs::metadata(KMSG).is_ok_and(|m| m.file_type().is_char_device());
    if !there {
        super::testing::absent("no /dev/kmsg to try device rules on");
    }
    there
}

fn device_rules_hold_for_the_processes_inside(layout: &CgroupLayout) {
    if !has_kmsg() {
        return;
    }
    let deny = r#"{"allow":false,"access":"rwm"}"#;
    for (rules, want) in [
        ("[]".to_owned(), vec!["r:/dev/null", "rw:/dev/null"]),
        (format!("[{deny}]"), vec!["r:/dev/null", "rw:/dev/null"]),
        (
            format!(r#"[{deny},{{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}}]"#),
            vec!["r:/dev/kmsg", "r:/dev/null", "rw:/dev/null"],
        ),
        (
            format!(
                r#"[{deny},{{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}},
                    {{"allow":true,"type":"c","major":1,"minor":11,"access":"w"}}]"#
            ),
            vec!["r:/dev/kmsg", "rw:/dev/kmsg", "r:/dev/null", "rw:/dev/null"],
        ),
        // A later deny of writing must hold for a process that opens for both.
        (
            r#"[{"allow":true},{"allow":false,"type":"c","major":1,"minor":11,"access":"w"}]"#
                .to_owned(),
            vec!["r:/dev/kmsg", "r:/dev/null", "rw:/dev/null"],
        ),
    ] {
        let cgroup = Temporary::new(layout);
        let resources = parse(&format!(r#"{{"devices":{rules}}}"#));
        assert_eq!(check(&resources, layout), [], "{rules}");
        cgroup
            .0
            .apply(Some(&resources))
            .unwrap_or_else(|e| panic!("{rules}: {e}"));
        assert_eq!(opened(&cgroup.0, &[KMSG, "/dev/null"]), want, "{rules}");
    }
    let cgroup = Temporary::new(layout);
    cgroup.0.apply(None).unwrap();
    assert_eq!(opened(&cgroup.0, &[KMSG]), Vec::<String>::new());
}

fn device_rules_can_be_replaced_while_processes_run(layout: &CgroupLayout) {
    if !has_kmsg() {
        return;
    }
    let cgroup = Temporary::new(layout);
    let _sleeper = Sleeper::within(&cgroup.0);
    let rules = |access: &str| {
        devices::tests::rules(&format!(
            r#"[{{"allow":true,"type":"c","major":1,"minor":11,"access":"{access}"}}]"#
        ))
    };
    for _ in 0..3 {
        cgroup.0.apply_devices(&rules("rw")).unwrap();
        assert_eq!(opened(&cgroup.0, &[KMSG]), ["r:/dev/kmsg", "rw:/dev/kmsg"]);
        cgroup.0.apply_devices(&rules("r")).unwrap();
        assert_eq!(opened(&cgroup.0, &[KMSG]), ["r:/dev/kmsg"]);
        cgroup.0.apply_devices(&[]).unwrap();
        assert_eq!(opened(&cgroup.0, &[KMSG]), Vec::<String>::new());
    }
}

fn a_privileged_container_opens_everything(layout: &CgroupLayout) {
    if !has_kmsg() {
        return;
    }
    let cgroup = Temporary::new(layout);
    let all = devices::tests::rules(r#"[{"allow":true,"access":"rwm"}]"#);
    for before in [None, Some(&[][..])] {
        if let Some(rules) = before {
            cgroup.0.apply_devices(rules).unwrap();
        }
        cgroup.0.apply_devices(&all).unwrap();
        assert_eq!(opened(&cgroup.0, &[KMSG]), ["r:/dev/kmsg", "rw:/dev/kmsg"]);
    }
}

/// As when lxcri runs in a container that has fewer devices than it would give.
fn rules_stay_within_those_of_the_level_above(layout: &CgroupLayout) {
    let Some(devices) = layout.controller("devices") else {
        return super::testing::absent("no v1 devices controller in this view");
    };
    let name = super::testing::unique();
    let outer = Temporary::at(layout, &format!("/{name}"));
    let above = devices.mount_point.join(&name);
    std::fs::write(above.join("devices.deny"), "a").unwrap();
    std::fs::write(above.join("devices.allow"), "c 1:3 rwm").unwrap();
    let inner = Temporary::at(layout, &format!("/{name}/inner"));
    inner.0.apply_devices(&[]).unwrap();
    assert_eq!(
        opened(&inner.0, &[KMSG, "/dev/null", "/dev/zero"]),
        ["r:/dev/null", "rw:/dev/null"]
    );
    // What the spec asks for by name must be had.
    let rules =
        devices::tests::rules(r#"[{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]"#);
    let error = inner.0.apply_devices(&rules).unwrap_err().to_string();
    assert!(
        error.starts_with("/linux/resources/devices/0: write(")
            && error.ends_with("operation not permitted (EPERM)"),
        "{error}"
    );
    drop(inner);
    drop(outer);
}
