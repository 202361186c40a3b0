//! Containers with a user namespace: the runtime is root of the host, but not of their file systems.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use nix::mount::{MsFlags, mount};

use crate::Case;
use crate::container::{Bundle, Container, MAPPED_GID, MAPPED_UID, finish};

pub const CASES: &[Case] = &[
    ("users::runc_spec", runc_spec),
    (
        "users::files_belong_to_the_containers_root",
        files_belong_to_the_containers_root,
    ),
    (
        "users::covered_cgroups_are_found_again",
        covered_cgroups_are_found_again,
    ),
    (
        "users::refused_file_systems_are_explained",
        refused_file_systems_are_explained,
    ),
    (
        "users::host_cannot_be_made_writable",
        host_cannot_be_made_writable,
    ),
];

/// A bundle whose image belongs to the container, as images for user namespaces do.
fn bundle() -> Bundle {
    let bundle = Bundle::new();
    for name in ["rootfs", "rootfs/dev", "rootfs/proc", "rootfs/sys"] {
        chown(bundle.path(name), Some(MAPPED_UID), Some(MAPPED_GID)).unwrap();
    }
    bundle
}

fn runc_spec() {
    let mut container = Container::start(bundle(), "user,net,cgroup,cover,lxcdev");
    container
        .up(include_str!("../data/mounts/runc.json"))
        .unwrap();
    for (path, fstype) in [
        ("/proc", "proc"),
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/dev/mqueue", "mqueue"),
        ("/sys", "sysfs"),
        ("/dev/null", "devtmpfs"),
    ] {
        assert_eq!(container.mount_at(path).fstype, fstype, "{path}");
    }
    assert_eq!(
        container.get("list", "/dev"),
        "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
    );
    assert!(container.get("stat", "/dev/null").ends_with(" 1:3"));
    container.ask(&["write", "/dev/null", "x"]).unwrap();
    assert_eq!(container.get("stat", "/dev"), "d 0755 0:0 0:0");
    assert_eq!(container.get("stat", "/dev/pts"), "d 0755 0:0 0:0");
    assert_eq!(container.get("link", "/proc/self"), "1");
    assert_eq!(container.get("read", "/proc/keys"), "");
    for path in ["/x", "/proc/sys/kernel/hostname", "/sys/firmware/x"] {
        assert!(container.ask(&["write", path, "x"]).is_err(), "{path}");
    }
}

fn files_belong_to_the_containers_root() {
    let mut container = Container::start(bundle(), "user");
    let mut engine = container
        .make(r#"{"ociVersion":"1.0.2",
            "process":{"cwd":"/work/dir","args":["x"],"user":{"uid":0,"gid":0}},
            "mounts":[
            {"destination":"/dev","type":"tmpfs","options":["mode=755"]},
            {"destination":"/dev/pts","type":"devpts","options":["newinstance","mode=0620","ptmxmode=0666"]},
            {"destination":"/t","type":"tmpfs","options":["mode=700","uid=7"]},
            {"destination":"/t/a/b","source":"data","options":["bind"]},
            {"destination":"/t/file","source":"data/file","options":["bind"]},
            {"destination":"/new/dir","type":"tmpfs"}],
            "linux":{"devices":[{"path":"/dev/x/fifo","type":"p","uid":3,"gid":4}]}}"#)
        .unwrap();
    let pty = engine.open_pty().unwrap();
    container.pivot();
    finish(&mut engine).unwrap();
    assert_eq!(container.get("stat", "/t"), "d 0700 7:0 0:0");
    assert_eq!(container.get("stat", "/t/a"), "d 0755 0:0 0:0");
    assert_eq!(container.get("stat", "/dev/x/fifo"), "p 0666 3:4 0:0");
    assert!(
        container
            .get("stat", "/dev/console")
            .starts_with("c 0620 0:0 136:")
    );
    assert_eq!(container.get("stat", "/work/dir"), "d 0755 0:0 0:0");
    drop(pty);
    // In the image, which the host owns files in by their real ids.
    let made = fs::metadata(container.bundle.path("rootfs/new/dir")).unwrap();
    assert_eq!((made.uid(), made.gid()), (MAPPED_UID, MAPPED_GID));
}

/// The cover cannot be taken away there: a mount that comes from a more privileged namespace is locked.
fn covered_cgroups_are_found_again() {
    for want in ["user,cover", "cover"] {
        let mut container = Container::start(bundle(), want);
        assert_eq!(container.get("list", "/sys/fs/cgroup"), "");
        container.make(r#"{"ociVersion":"1.0.2"}"#).unwrap();
        let mut host: Vec<_> = fs::read_dir("/sys/fs/cgroup")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        host.sort();
        assert_eq!(
            container.get("list", "/sys/fs/cgroup"),
            host.join(" "),
            "{want}"
        );
    }
}

fn refused_file_systems_are_explained() {
    let mut container = Container::start(bundle(), "user");
    let error = container
        .make(r#"{"ociVersion":"1.0.2","mounts":[{"destination":"/sys","type":"sysfs"}]}"#)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("cannot mount /sys (/mounts/0): fs"),
        "{error}"
    );
    assert!(
        error.contains(": operation not permitted (EPERM) (a user namespace gets sysfs only with"),
        "{error}"
    );
    // The host's /proc is partly covered, by a mount that is locked in there.
    let bundle = bundle();
    mount(
        Some(&bundle.path("data/file")),
        "/proc/meminfo",
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .unwrap();
    let mut container = Container::start(bundle, "user");
    let error = container
        .make(r#"{"ociVersion":"1.0.2","mounts":[{"destination":"/proc","type":"proc"}]}"#)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(
            "cannot mount /proc (/mounts/0): fsmount(proc, 0x0): operation not permitted"
        ),
        "{error}"
    );
    assert!(
        error.ends_with("where the host's /proc is not partly covered)"),
        "{error}"
    );
}

/// Masks are of the host's making: root of the container may take its own mounts away, but gets no write access.
fn host_cannot_be_made_writable() {
    let bundle = bundle();
    fs::create_dir(bundle.path("rootfs/masked")).unwrap();
    let mut container = Container::start(bundle, "user");
    container
        .up(r#"{"ociVersion":"1.0.2","linux":{"maskedPaths":["/masked"]}}"#)
        .unwrap();
    let _ = container.ask(&["rw", "/masked"]);
    let error = container.ask(&["write", "/masked/x", "x"]).unwrap_err();
    assert!(
        error.contains("Read-only") || error.contains("denied"),
        "{error}"
    );
}
