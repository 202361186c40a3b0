//! Device nodes, links in /dev, terminals.

use std::fs;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::Case;
use crate::container::{Bundle, Container, finish};

pub const CASES: &[Case] = &[
    ("devices::requested", requested),
    ("devices::without_a_dev_mount", without_a_dev_mount),
    (
        "devices::symlink_of_the_image_is_refused",
        symlink_of_the_image_is_refused,
    ),
    (
        "devices::foreign_dev_is_not_touched",
        foreign_dev_is_not_touched,
    ),
    ("devices::pty_of_the_container", pty_of_the_container),
    ("devices::pty_needs_a_devpts", pty_needs_a_devpts),
];

const DEV: &str = r#"{"destination":"/dev","type":"tmpfs","options":["mode=755"]}"#;

fn requested() {
    let mut container = Container::start(Bundle::new(), "");
    container
        .up(&format!(
            r#"{{"ociVersion":"1.0.2","mounts":[{DEV}],"linux":{{"devices":[
            {{"path":"/dev/net/tun","type":"c","major":10,"minor":200,"fileMode":432,"uid":3,"gid":4}},
            {{"path":"/dev/disk","type":"b","major":7,"minor":1}},
            {{"path":"/run/fifo","type":"p","fileMode":448}},
            {{"path":"/dev/null","type":"c","major":1,"minor":3,"fileMode":384}}]}}}}"#
        ))
        .unwrap();
    assert_eq!(container.get("stat", "/dev/net/tun"), "c 0660 3:4 10:200");
    assert_eq!(container.get("stat", "/dev/disk"), "b 0666 0:0 7:1");
    assert_eq!(container.get("stat", "/run/fifo"), "p 0700 0:0 0:0");
    assert_eq!(container.get("stat", "/dev/null"), "c 0600 0:0 1:3");
}

/// The nodes are made in the image, as runc does; what it has of that name stays if it is the same device, and an empty
/// file is covered.
fn without_a_dev_mount() {
    let bundle = Bundle::new();
    bundle.write("rootfs/dev/null", "");
    bundle.symlink("elsewhere", "rootfs/dev/stdin");
    bundle.write("rootfs/dev/ptmx", "");
    mknod(
        &bundle.path("rootfs/dev/zero"),
        SFlag::S_IFCHR,
        Mode::S_IRUSR,
        makedev(1, 5),
    )
    .unwrap();
    let mut container = Container::start(bundle, "");
    container.up(r#"{"ociVersion":"1.0.2"}"#).unwrap();
    assert_eq!(container.get("stat", "/dev/zero"), "c 0400 0:0 1:5");
    assert_eq!(container.get("stat", "/dev/full"), "c 0666 0:0 1:7");
    assert!(container.get("stat", "/dev/null").ends_with(" 1:3"));
    assert_eq!(container.mount_at("/dev/null").fstype, "devtmpfs");
    assert_eq!(container.get("link", "/dev/stdin"), "elsewhere");
    assert_eq!(container.get("link", "/dev/ptmx"), "pts/ptmx");
    assert!(
        fs::symlink_metadata(container.bundle.path("rootfs/dev/full"))
            .unwrap()
            .file_type()
            .is_char_device()
    );
}

fn symlink_of_the_image_is_refused() {
    for target in ["/etc/target", "../../outside", "zero"] {
        let bundle = Bundle::new();
        bundle.write("outside", "untouched");
        bundle.write("rootfs/etc/target", "untouched");
        bundle.symlink(target, "rootfs/dev/null");
        let mut container = Container::start(bundle, "");
        let error = container.make(r#"{"ociVersion":"1.0.2"}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot make device /dev/null: /dev/null exists in the rootfs and is something else"
        );
        for name in ["outside", "rootfs/etc/target"] {
            assert_eq!(
                fs::read_to_string(container.bundle.path(name)).unwrap(),
                "untouched"
            );
        }
    }
}

fn foreign_dev_is_not_touched() {
    let bundle = Bundle::new();
    bundle.write("hostdev/x", "");
    let mut container = Container::start(bundle, "lxcdev");
    container
        .up(r#"{"ociVersion":"1.0.2","mounts":[{"destination":"/dev","source":"hostdev","options":["bind"]}],
            "linux":{"devices":[{"path":"/dev/tun","type":"c","major":10,"minor":200}]}}"#)
        .unwrap();
    assert_eq!(container.get("list", "/dev"), "x");
    assert_eq!(
        container.bundle.inventory("hostdev"),
        ["hostdev/", "hostdev/x"]
    );
    assert_eq!(container.bundle.inventory("rootfs/dev"), ["rootfs/dev/"]);
}

fn pty_of_the_container() {
    let mut container = Container::start(Bundle::new(), "");
    let mut engine = container
        .make(&format!(
            r#"{{"ociVersion":"1.0.2","mounts":[{DEV},{{"destination":"/dev/pts","type":"devpts",
            "options":["newinstance","ptmxmode=0666","mode=0620","gid=5"]}}]}}"#
        ))
        .unwrap();
    let pty = engine.open_pty().unwrap();
    container.pivot();
    finish(&mut engine).unwrap();
    assert_eq!(container.get("stat", "/dev/pts/0"), "c 0620 0:5 136:0");
    assert_eq!(container.get("stat", "/dev/console"), "c 0620 0:5 136:0");
    assert_eq!(container.mount_at("/dev/console").fstype, "devpts");
    container.ask(&["write", "/dev/console", "hello"]).unwrap();
    let mut text = [0; 5];
    fs::File::from(pty.master).read_exact(&mut text).unwrap();
    assert_eq!(&text, b"hello");
    drop(pty.slave);
}

fn pty_needs_a_devpts() {
    let bundle = Bundle::new();
    bundle.write("rootfs/dev/pts/ptmx", "");
    let mut container = Container::start(bundle, "");
    let mut engine = container.make(r#"{"ociVersion":"1.0.2"}"#).unwrap();
    let error = engine.open_pty().unwrap_err();
    assert_eq!(
        error.to_string(),
        "a terminal needs a mount of type devpts at /dev/pts"
    );
}
