//! What cannot be mounted is said in one line that names it.

use crate::Case;
use crate::container::{Bundle, Container};

pub const CASES: &[Case] = &[
    (
        "errors::name_the_mount_and_the_call",
        name_the_mount_and_the_call,
    ),
    (
        "errors::nothing_is_left_on_the_host",
        nothing_is_left_on_the_host,
    ),
];

fn name_the_mount_and_the_call() {
    for (mount, message) in [
        (
            r#"{"destination":"/x","source":"/no/such","options":["bind"]}"#,
            "cannot open the source of /mounts/0: open_tree(/no/such, OPEN_TREE_CLONE): no such file or directory (ENOENT)",
        ),
        (
            r#"{"destination":"/x","type":"nosuchfs"}"#,
            "cannot mount /x (/mounts/0): fsopen(nosuchfs): no such device (ENODEV)",
        ),
        (
            r#"{"destination":"/x","type":"tmpfs","options":["nosuid","size=many"]}"#,
            "cannot mount /x (/mounts/0): fsconfig(tmpfs, size=many): invalid argument (EINVAL)",
        ),
        (
            r#"{"destination":"/x","type":"tmpfs","options":["nonsense"]}"#,
            "cannot mount /x (/mounts/0): fsconfig(tmpfs, nonsense): invalid argument (EINVAL)",
        ),
        (
            r#"{"destination":"/file","source":"data","options":["bind"]}"#,
            "cannot mount /file (/mounts/0): /file is not a directory in the rootfs, and a directory is to be mounted there",
        ),
        (
            r#"{"destination":"/dev","source":"data/file","options":["bind"]}"#,
            "cannot mount /dev (/mounts/0): /dev is a directory in the rootfs, and a file is to be mounted there",
        ),
        (
            r#"{"destination":"/file/below","type":"tmpfs"}"#,
            "cannot mount /file/below (/mounts/0): openat(/file/below): not a directory (ENOTDIR)",
        ),
    ] {
        let bundle = Bundle::new();
        bundle.write("rootfs/file", "");
        let mut container = Container::start(bundle, "");
        let config = format!(r#"{{"ociVersion":"1.0.2","mounts":[{mount}]}}"#);
        // What follows is the file system's own explanation, which differs between kernels.
        let error = container.make(&config).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

/// Number and mount point of each mount. Both, since numbers are used again.
fn mounts() -> Vec<(String, String)> {
    let table = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let mount = |line: &str| {
        let mut fields = line.split(' ').map(str::to_owned);
        (fields.next().unwrap(), fields.nth(3).unwrap())
    };
    table.lines().map(mount).collect()
}

fn nothing_is_left_on_the_host() {
    let before = mounts();
    let mut container = Container::start(Bundle::new(), "cover,lxcdev");
    let error = container.make(
        r#"{"ociVersion":"1.0.2","mounts":[{"destination":"/a","source":"data","options":["rbind"]},
        {"destination":"/b","type":"nosuchfs"}]}"#,
    );
    assert!(error.is_err());
    let mut container = Container::start(Bundle::new(), "cover,lxcdev");
    container
        .up(r#"{"ociVersion":"1.0.2","linux":{"maskedPaths":["/dev"]}}"#)
        .unwrap();
    let after = mounts();
    let without = |all: &[(String, String)], known: &[(String, String)]| -> Vec<_> {
        let unknown = all.iter().filter(|mount| !known.contains(mount));
        unknown.cloned().collect()
    };
    assert_eq!(without(&after, &before), []);
    // Nobody else can add a mount to this namespace, but a mount goes when its mount point is removed elsewhere: what
    // others have below these directories is not ours to judge.
    let mut gone = without(&before, &after);
    gone.retain(|(_, point)| {
        !["/tmp/", "/run/", "/var/"]
            .iter()
            .any(|d| point.starts_with(d))
    });
    assert_eq!(gone, []);
}
