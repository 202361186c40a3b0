//! The bundle of `runc spec`, bind mounts and their options.

use std::fs;

use nix::mount::{MsFlags, mount};

use crate::Case;
use crate::container::{Bundle, Container, finish};

pub const CASES: &[Case] = &[
    ("basic::runc_spec", runc_spec),
    ("basic::image_stays_as_it_was", image_stays_as_it_was),
    ("basic::bind_options", bind_options),
    ("basic::recursive_options", recursive_options),
    ("basic::sources", sources),
    ("basic::mount_points_are_made", mount_points_are_made),
    ("basic::new_file_systems", new_file_systems),
    (
        "basic::hooks_can_write_until_the_end",
        hooks_can_write_until_the_end,
    ),
    ("basic::missing_cwd_is_made", missing_cwd_is_made),
    ("basic::guest_directory", guest_directory),
];

const RUNC: &str = include_str!("../data/mounts/runc.json");

fn runc_spec() {
    let mut container = Container::start(Bundle::new(), "net,cgroup,cover,lxcdev");
    container.up(RUNC).unwrap();
    for (path, fstype, options) in [
        ("/proc", "proc", "rw,relatime"),
        ("/dev", "tmpfs", "rw,nosuid"),
        ("/dev/pts", "devpts", "rw,nosuid,noexec,relatime"),
        ("/dev/shm", "tmpfs", "rw,nosuid,nodev,noexec,relatime"),
        ("/dev/mqueue", "mqueue", "rw,nosuid,nodev,noexec,relatime"),
        ("/sys", "sysfs", "ro,nosuid,nodev,noexec,relatime"),
        ("/proc/sys", "proc", "ro,relatime"),
        ("/proc/acpi", "tmpfs", "ro,nosuid,nodev,noexec,relatime"),
        ("/sys/firmware", "tmpfs", "ro,nosuid,nodev,noexec,relatime"),
    ] {
        let line = container.mount_at(path);
        assert_eq!(
            (line.fstype.as_str(), line.options.as_str()),
            (fstype, options),
            "{path}"
        );
    }
    assert!(container.mount_at("/").has("ro"));
    let shm = container.mount_at("/dev/shm").super_options;
    assert!(shm.contains("size=65536k"), "{shm}");
    for line in container.mounts() {
        assert_eq!(line.propagation, [""; 0], "{}", line.point);
    }
    // The init process of its own pid namespace, in its own procfs.
    assert_eq!(container.get("link", "/proc/self"), "1");
    assert_eq!(
        container.get("list", "/dev"),
        "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
    );
    assert_eq!(container.get("stat", "/dev/null"), "c 0666 0:0 1:3");
    assert_eq!(container.get("stat", "/dev/shm"), "d 1777 0:0 0:0");
    assert_eq!(container.get("link", "/dev/ptmx"), "pts/ptmx");
    assert_eq!(container.get("link", "/dev/stderr"), "/proc/self/fd/2");
    container.ask(&["write", "/dev/null", "x"]).unwrap();
    assert_eq!(container.get("read", "/proc/keys"), "", "masked");
    assert_eq!(container.get("list", "/sys/firmware"), "", "masked");
    let error = container
        .ask(&["write", "/proc/sys/net/core/somaxconn", "1"])
        .unwrap_err();
    assert!(error.contains("Read-only"), "{error}");
    let error = container.ask(&["write", "/x", "1"]).unwrap_err();
    assert!(error.contains("Read-only"), "{error}");
}

/// Mount points are made, as runc makes them; nothing else may appear, least of all what LXC writes into /dev.
fn image_stays_as_it_was() {
    let mut container = Container::start(Bundle::new(), "net,lxcdev");
    container.up(RUNC).unwrap();
    assert_eq!(
        container.bundle.inventory("rootfs"),
        [
            "rootfs/",
            "rootfs/.lxcri/",
            "rootfs/dev/",
            "rootfs/proc/",
            "rootfs/sys/"
        ]
    );
}

fn bind_options() {
    let bundle = Bundle::new();
    bundle.write("locked/file", "x");
    let locked = bundle.path("locked");
    mount(
        Some(&locked),
        &locked,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .unwrap();
    let flags = MsFlags::MS_REMOUNT
        | MsFlags::MS_BIND
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NOEXEC;
    mount(None::<&str>, &locked, None::<&str>, flags, None::<&str>).unwrap();
    let mut container = Container::start(bundle, "");
    container
        .up(r#"{"ociVersion":"1.0.2","mounts":[
            {"destination":"/a","type":"bind","source":"data","options":["bind","ro","nosuid","nodev","noexec","nosymfollow"]},
            {"destination":"/b","type":"none","source":"data","options":["rbind","strictatime","nodiratime"]},
            {"destination":"/c","type":"bind","source":"data"},
            {"destination":"/d","source":"locked","options":["bind"]},
            {"destination":"/e","source":"locked","options":["bind","rw","suid"]}]}"#)
        .unwrap();
    assert_eq!(
        container.mount_at("/a").options,
        "ro,nosuid,nodev,noexec,relatime,nosymfollow"
    );
    assert_eq!(container.mount_at("/b").options, "rw,nodiratime");
    assert_eq!(container.mount_at("/c").options, "rw,relatime");
    // What nobody mentions stays as the host has it; what is mentioned is so.
    assert_eq!(
        container.mount_at("/d").options,
        "ro,nosuid,noexec,relatime"
    );
    assert_eq!(container.mount_at("/e").options, "rw,noexec,relatime");
    assert_eq!(container.get("read", "/c/file"), "data");
    container.ask(&["write", "/c/new", "here"]).unwrap();
    assert_eq!(
        fs::read_to_string(container.bundle.path("data/new")).unwrap(),
        "here"
    );
    assert!(container.ask(&["write", "/a/new", "x"]).is_err());
}

fn recursive_options() {
    let bundle = Bundle::new();
    fs::create_dir(bundle.path("data/sub")).unwrap();
    mount(
        Some("x"),
        &bundle.path("data/sub"),
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )
    .unwrap();
    let mut container = Container::start(bundle, "");
    container
        .up(r#"{"ociVersion":"1.0.2","mounts":[
            {"destination":"/all","source":"data","options":["rbind","rro","rnosuid","rnoatime"]},
            {"destination":"/top","source":"data","options":["rbind","ro"]},
            {"destination":"/some","source":"data","options":["rbind","rro","rw"]},
            {"destination":"/one","source":"data","options":["bind"]}]}"#)
        .unwrap();
    assert_eq!(container.mount_at("/all/sub").options, "ro,nosuid,noatime");
    assert_eq!(container.mount_at("/all").options, "ro,nosuid,noatime");
    assert_eq!(container.mount_at("/top/sub").options, "rw,relatime");
    assert!(container.mount_at("/top").has("ro"));
    assert!(container.mount_at("/some/sub").has("ro"));
    assert!(
        !container
            .mounts()
            .iter()
            .any(|line| line.point == "/one/sub")
    );
}

/// Relative to the bundle, through symlinks, files and directories.
fn sources() {
    let bundle = Bundle::new();
    bundle.symlink("data/file", "link");
    bundle.symlink(bundle.path("data"), "absolute");
    let absolute = bundle.path("data/file").display().to_string();
    let mut container = Container::start(bundle, "");
    container
        .up(&format!(
            r#"{{"ociVersion":"1.0.2","mounts":[
            {{"destination":"/link","source":"link","options":["bind"]}},
            {{"destination":"/dir","source":"./absolute/","options":["rbind"]}},
            {{"destination":"/deep/er/file","source":"{absolute}","options":["bind"]}}]}}"#
        ))
        .unwrap();
    for path in ["/link", "/dir/file", "/deep/er/file"] {
        assert_eq!(container.get("read", path), "data", "{path}");
    }
}

fn mount_points_are_made() {
    let bundle = Bundle::new();
    bundle.write("rootfs/there/file", "below");
    let mut container = Container::start(bundle, "");
    container
        .up(r#"{"ociVersion":"1.0.2","mounts":[
            {"destination":"relative/dir","type":"tmpfs"},
            {"destination":"/relative/dir/within","source":"data","options":["bind","ro"]},
            {"destination":"/there/file","source":"data/file","options":["bind"]},
            {"destination":"/there//new/./file","source":"data/file","options":["bind"]}]}"#)
        .unwrap();
    assert_eq!(container.get("read", "/relative/dir/within/file"), "data");
    assert_eq!(container.get("read", "/there/file"), "data");
    assert_eq!(container.get("read", "/there/new/file"), "data");
    let bundle = &container.bundle;
    assert_eq!(
        fs::read_to_string(bundle.path("rootfs/there/file")).unwrap(),
        "below"
    );
    assert_eq!(
        fs::read_to_string(bundle.path("rootfs/there/new/file")).unwrap(),
        ""
    );
}

fn new_file_systems() {
    let bundle = Bundle::new();
    for name in ["lower", "upper", "work"] {
        fs::create_dir(bundle.path(name)).unwrap();
    }
    bundle.write("lower/low", "low");
    let dir = bundle.path("");
    let dir = dir.display().to_string();
    let dir = dir.trim_end_matches('/');
    let mut container = Container::start(bundle, "net");
    container
        .up(&format!(
            r#"{{"ociVersion":"1.0.2","mounts":[
            {{"destination":"/ram","type":"ramfs","options":["mode=700","ro","noatime"]}},
            {{"destination":"/over","type":"overlay","source":"overlay",
              "options":["lowerdir={dir}/lower","upperdir={dir}/upper","workdir={dir}/work","nosuid"]}}]}}"#
        ))
        .unwrap();
    let ram = container.mount_at("/ram");
    assert_eq!(
        (ram.fstype.as_str(), ram.options.as_str()),
        ("ramfs", "ro,noatime")
    );
    assert_eq!(container.get("read", "/over/low"), "low");
    container.ask(&["write", "/over/new", "up"]).unwrap();
    assert_eq!(
        fs::read_to_string(container.bundle.path("upper/new")).unwrap(),
        "up"
    );
    assert_eq!(container.mount_at("/over").options, "rw,nosuid,relatime");
}

/// createRuntime and createContainer hooks (drivers of graphics cards, ldconfig) write into a rootfs that is to be
/// read-only; runc seals it after them.
fn hooks_can_write_until_the_end() {
    let mut container = Container::start(Bundle::new(), "");
    let mut engine = container
        .make(
            r#"{"ociVersion":"1.0.2","root":{"path":"rootfs","readonly":true},
            "mounts":[{"destination":"/dev","type":"tmpfs","options":["ro","mode=755"]}],
            "linux":{"maskedPaths":["/secret"],"readonlyPaths":["/etc"]}}"#,
        )
        .unwrap();
    let rootfs = container.bundle.path("rootfs").display().to_string();
    for path in ["secret", "dev/gpu"] {
        container
            .ask(&["write", &format!("{rootfs}/{path}"), "by a hook"])
            .unwrap();
    }
    container.ask(&["mkdir", &format!("{rootfs}/etc")]).unwrap();
    container.pivot();
    finish(&mut engine).unwrap();
    assert_eq!(container.get("read", "/dev/gpu"), "by a hook");
    assert_eq!(container.get("read", "/secret"), "", "masked");
    for path in ["/x", "/dev/x", "/etc/x"] {
        assert!(container.ask(&["write", path, "x"]).is_err(), "{path}");
    }
}

fn missing_cwd_is_made() {
    let bundle = Bundle::new();
    bundle.symlink("/real", "rootfs/link");
    let mut container = Container::start(bundle, "");
    container
        .up(
            r#"{"ociVersion":"1.0.2","root":{"path":"rootfs","readonly":true},
            "process":{"cwd":"/link/a/b","args":["x"],"user":{"uid":0,"gid":0}}}"#,
        )
        .unwrap();
    assert_eq!(container.get("stat", "/real/a/b"), "d 0755 0:0 0:0");
}

fn guest_directory() {
    let mut container = Container::start(Bundle::new(), "");
    let rootfs = container.bundle.path("rootfs");
    let place = lxcri_runtime::mountpoint::acquire(&rootfs).unwrap();
    container.up(r#"{"ociVersion":"1.0.2"}"#).unwrap();
    assert_eq!(container.get("list", "/.lxcri"), "lxcri-hook state.json");
    assert_eq!(container.get("read", "/.lxcri/lxcri-hook"), "the launcher");
    for path in ["/.lxcri", "/.lxcri/lxcri-hook"] {
        assert_eq!(container.mount_at(path).options, "ro,nosuid,nodev,relatime");
    }
    assert!(container.ask(&["write", "/.lxcri/x", "x"]).is_err());
    container.ask(&["umount", "/.lxcri"]).unwrap();
    assert_eq!(container.get("list", "/.lxcri"), "");
    drop(place);
    lxcri_runtime::mountpoint::release(&rootfs).unwrap();
    assert!(!rootfs.join(".lxcri").exists());
    lxcri_runtime::mountpoint::release(&rootfs).unwrap();
    // Not ours to remove.
    container.bundle.write("rootfs/.lxcri/keep", "x");
    lxcri_runtime::mountpoint::release(&rootfs).unwrap();
    assert!(rootfs.join(".lxcri/keep").exists());
}
