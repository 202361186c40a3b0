//! tmpfs: its mode, a copy of what it covers, read-only.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::Case;
use crate::container::{Bundle, Container};

pub const CASES: &[Case] = &[
    ("tmpfs::mode", mode),
    ("tmpfs::copy_up", copy_up),
    (
        "tmpfs::read_only_after_all_is_made",
        read_only_after_all_is_made,
    ),
];

fn mode() {
    let bundle = Bundle::new();
    for name in ["kept", "given"] {
        let path = bundle.path("rootfs").join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o2710)).unwrap();
    }
    let mut container = Container::start(bundle, "");
    container
        .up(r#"{"ociVersion":"1.0.2","mounts":[
            {"destination":"/kept","type":"tmpfs"},
            {"destination":"/given","type":"tmpfs","options":["mode=0700","uid=5"]},
            {"destination":"/missing","type":"tmpfs"}]}"#)
        .unwrap();
    assert_eq!(container.get("stat", "/kept"), "d 2710 0:0 0:0");
    assert_eq!(container.get("stat", "/given"), "d 0700 5:0 0:0");
    assert_eq!(container.get("stat", "/missing"), "d 1777 0:0 0:0");
}

fn copy_up() {
    let bundle = Bundle::new();
    bundle.write("rootfs/var/deep/file", "text");
    bundle.symlink("/etc/shadow", "rootfs/var/link");
    bundle.write("rootfs/var/suid", "s");
    let suid = bundle.path("rootfs/var/suid");
    chown(&suid, Some(7), Some(8)).unwrap();
    fs::set_permissions(&suid, fs::Permissions::from_mode(0o4750)).unwrap();
    fs::set_permissions(
        bundle.path("rootfs/var/deep"),
        fs::Permissions::from_mode(0o1750),
    )
    .unwrap();
    nix::unistd::mkfifo(
        &bundle.path("rootfs/var/fifo"),
        nix::sys::stat::Mode::S_IRUSR,
    )
    .unwrap();
    let mut container = Container::start(bundle, "");
    container
        .up(r#"{"ociVersion":"1.0.2","mounts":[
            {"destination":"/var","type":"tmpfs","options":["tmpcopyup"]},
            {"destination":"/none","type":"tmpfs","options":["tmpcopyup","ro"]}]}"#)
        .unwrap();
    assert_eq!(container.get("list", "/var"), "deep fifo link suid");
    assert_eq!(container.get("read", "/var/deep/file"), "text");
    assert_eq!(container.get("stat", "/var/deep"), "d 1750 0:0 0:0");
    assert_eq!(container.get("stat", "/var/suid"), "- 4750 7:8 0:0");
    assert_eq!(container.get("stat", "/var/fifo"), "p 0400 0:0 0:0");
    assert_eq!(container.get("link", "/var/link"), "/etc/shadow");
    container.ask(&["write", "/var/deep/file", "new"]).unwrap();
    assert_eq!(
        fs::read_to_string(container.bundle.path("rootfs/var/deep/file")).unwrap(),
        "text"
    );
}

/// Mount points in it must be made first.
fn read_only_after_all_is_made() {
    let mut container = Container::start(Bundle::new(), "");
    container
        .up(r#"{"ociVersion":"1.0.2","mounts":[
            {"destination":"/t","type":"tmpfs","options":["ro"]},
            {"destination":"/t/a/b","source":"data","options":["bind"]}]}"#)
        .unwrap();
    assert!(container.mount_at("/t").has("ro"));
    assert!(container.mount_at("/t/a/b").has("rw"));
    assert!(container.ask(&["write", "/t/x", "x"]).is_err());
}
