//! Images that try to lead mounts, files and devices out of the rootfs.

use std::fs;
use std::path::Path;

use crate::Case;
use crate::container::{Bundle, Container};

pub const CASES: &[Case] = &[
    ("hostile::symlinks_stay_inside", symlinks_stay_inside),
    (
        "hostile::dangling_symlinks_are_made_inside",
        dangling_symlinks_are_made_inside,
    ),
    ("hostile::loops_end", loops_end),
    ("hostile::symlink_to_the_root", symlink_to_the_root),
    ("hostile::proc_is_no_symlink", proc_is_no_symlink),
    (
        "hostile::nothing_inside_proc_is_covered",
        nothing_inside_proc_is_covered,
    ),
    ("hostile::proc_magic_links", proc_magic_links),
    (
        "hostile::only_procfs_goes_to_proc",
        only_procfs_goes_to_proc,
    ),
    (
        "hostile::masks_follow_symlinks_inside_only",
        masks_follow_symlinks_inside_only,
    ),
    ("hostile::dev_as_a_symlink", dev_as_a_symlink),
    (
        "hostile::guest_directory_as_a_symlink",
        guest_directory_as_a_symlink,
    ),
    ("hostile::cwd_as_a_symlink", cwd_as_a_symlink),
];

/// A bundle with a directory next to the rootfs that nobody may touch.
fn bundle() -> Bundle {
    let bundle = Bundle::new();
    bundle.write("outside/file", "untouched");
    bundle.write("outside/dir/file", "untouched");
    bundle
}

fn assert_untouched(bundle: &Bundle) {
    assert_eq!(
        bundle.inventory("outside"),
        [
            "outside/",
            "outside/dir/",
            "outside/dir/file",
            "outside/file"
        ]
    );
    for name in ["outside/file", "outside/dir/file"] {
        assert_eq!(fs::read_to_string(bundle.path(name)).unwrap(), "untouched");
    }
    // The namespaces are gone or private: the host sees no mount there.
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    assert!(!mounts.contains("/outside"), "{mounts}");
}

fn bind(destination: &str) -> String {
    format!(
        r#"{{"ociVersion":"1.0.2","mounts":[{{"destination":"{destination}","source":"data","options":["bind"]}}]}}"#
    )
}

fn symlinks_stay_inside() {
    let bundle = bundle();
    let outside = bundle.path("outside");
    bundle.symlink(&outside, "rootfs/absolute");
    bundle.symlink("../../../../../../../../../../tmp", "rootfs/up");
    bundle.symlink("../outside", "rootfs/relative");
    bundle.write("rootfs/real/x", "");
    bundle.symlink("/real", "rootfs/good");
    let mut container = Container::start(bundle, "");
    container
        .up(r#"{"ociVersion":"1.0.2","mounts":[
            {"destination":"/absolute/dir","source":"data","options":["bind"]},
            {"destination":"/up/here","source":"data","options":["bind"]},
            {"destination":"/relative","type":"tmpfs"},
            {"destination":"/good/there","source":"data/file","options":["bind"]},
            {"destination":"/good/../up/../../etc/passwd","source":"data/file","options":["bind"]}]}"#)
        .unwrap();
    let inside = format!("{}/dir/file", outside.display());
    assert_eq!(container.get("read", &inside), "data");
    assert_eq!(container.get("read", "/tmp/here/file"), "data");
    assert_eq!(container.mount_at("/outside").fstype, "tmpfs");
    assert_eq!(container.get("read", "/real/there"), "data");
    assert_eq!(container.get("read", "/etc/passwd"), "data");
    assert_untouched(&container.bundle);
}

fn dangling_symlinks_are_made_inside() {
    let bundle = bundle();
    bundle.symlink("/run", "rootfs/var/run");
    bundle.symlink(bundle.path("outside/new"), "rootfs/new");
    bundle.symlink("../../../missing/a", "rootfs/file");
    let outside = bundle.path("outside/new").display().to_string();
    let mut container = Container::start(bundle, "");
    container
        .up(r#"{"ociVersion":"1.0.2","mounts":[
            {"destination":"/var/run/lock","type":"tmpfs"},
            {"destination":"/new","source":"data","options":["bind"]},
            {"destination":"/file","source":"data/file","options":["bind"]}]}"#)
        .unwrap();
    assert_eq!(container.mount_at("/run/lock").fstype, "tmpfs");
    assert_eq!(container.get("read", &format!("{outside}/file")), "data");
    assert_eq!(container.get("read", "/missing/a"), "data");
    assert_untouched(&container.bundle);
}

fn loops_end() {
    let bundle = bundle();
    bundle.symlink("b", "rootfs/a");
    bundle.symlink("a", "rootfs/b");
    bundle.symlink("self/x", "rootfs/self");
    let mut container = Container::start(bundle, "");
    for destination in ["/a/x", "/a", "/self", "/self/y"] {
        let error = container.make(&bind(destination)).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("cannot mount {destination} (/mounts/0): open")),
            "{error}"
        );
        assert!(error.ends_with("(ELOOP)"), "{error}");
    }
}

fn symlink_to_the_root() {
    for target in ["/", "../..", ".", "/x/.."] {
        let bundle = bundle();
        fs::create_dir(bundle.path("rootfs/x")).unwrap();
        bundle.symlink(target, "rootfs/link");
        let mut container = Container::start(bundle, "");
        let error = container.make(&bind("/link")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot mount /link (/mounts/0): /link leads to the root itself",
            "{target}"
        );
    }
}

/// CVE-2019-19921, CVE-2023-27561: procfs ends up elsewhere, and a security setting is written to a file of the image.
fn proc_is_no_symlink() {
    let proc = r#"{"ociVersion":"1.0.2","mounts":[{"destination":"/proc","type":"proc"}]}"#;
    let sys = r#"{"ociVersion":"1.0.2","mounts":[{"destination":"/sys","type":"sysfs"}]}"#;
    let below = r#"{"ociVersion":"1.0.2","mounts":[{"destination":"/sys/fs/x","type":"tmpfs"}]}"#;
    for (name, config) in [("proc", proc), ("sys", sys), ("sys", below)] {
        for target in ["/evil", "missing", "../outside"] {
            let bundle = bundle();
            fs::create_dir(bundle.path("rootfs/evil")).unwrap();
            fs::remove_dir(bundle.path("rootfs").join(name)).unwrap();
            bundle.symlink(target, &format!("rootfs/{name}"));
            let mut container = Container::start(bundle, "net");
            let error = container.make(config).unwrap_err().to_string();
            assert!(
                error.ends_with(": a component is a symlink, which is not allowed here"),
                "{error}"
            );
            assert_untouched(&container.bundle);
        }
    }
}

/// CVE-2019-16884: by any path, procfs stays as the kernel shows it.
fn nothing_inside_proc_is_covered() {
    let bundle = bundle();
    bundle.symlink("/proc", "rootfs/innocent");
    let mut container = Container::start(bundle, "");
    for destination in ["/innocent/sys", "/innocent/meminfo", "/innocent/1/attr"] {
        let error = container
            .make(&format!(
                r#"{{"ociVersion":"1.0.2","mounts":[{{"destination":"/proc","type":"proc"}},
                {{"destination":"{destination}","type":"tmpfs"}}]}}"#
            ))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot mount {destination} (/mounts/1): {destination} leads into a procfs, which must not be covered"
            )
        );
    }
    // What lxcfs does is allowed.
    let mut container = Container::start(Bundle::new(), "");
    container
        .up(
            r#"{"ociVersion":"1.0.2","mounts":[{"destination":"/proc","type":"proc"},
            {"destination":"/proc/meminfo","source":"data/file","options":["bind"]}]}"#,
        )
        .unwrap();
    assert_eq!(container.get("read", "/proc/meminfo"), "data");
}

/// /proc/self/root and the like lead out of any root whatever their text says.
fn proc_magic_links() {
    let bundle = bundle();
    bundle.symlink("/proc/1/root/tmp/evil", "rootfs/magic");
    bundle.symlink("/proc/1/cwd", "rootfs/cwd");
    let mut container = Container::start(bundle, "");
    for destination in ["/magic", "/cwd/x"] {
        let error = container
            .make(&format!(
                r#"{{"ociVersion":"1.0.2","mounts":[{{"destination":"/proc","type":"proc"}},
                {{"destination":"{destination}","type":"tmpfs"}}]}}"#
            ))
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("(ELOOP)"), "{error}");
    }
    assert!(!Path::new("/tmp/evil").exists());
}

fn only_procfs_goes_to_proc() {
    for source in ["data", "/proc/sys"] {
        let mut container = Container::start(bundle(), "");
        let error = container
            .make(&format!(
                r#"{{"ociVersion":"1.0.2","mounts":[{{"destination":"/proc","source":"{source}","options":["rbind"]}}]}}"#
            ))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("cannot open the source of /mounts/0: "),
            "{error}"
        );
        assert!(
            error
                .ends_with("is not the root of a procfs, and nothing else can be mounted on /proc"),
            "{error}"
        );
    }
    let mut container = Container::start(bundle(), "");
    container
        .up(r#"{"ociVersion":"1.0.2","mounts":[{"destination":"/proc","source":"/proc","options":["rbind"]}]}"#)
        .unwrap();
    assert_eq!(container.mount_at("/proc").fstype, "proc");
}

fn masks_follow_symlinks_inside_only() {
    let bundle = bundle();
    bundle.write("rootfs/secret/file", "secret");
    bundle.symlink("/secret", "rootfs/alias");
    bundle.symlink(bundle.path("outside"), "rootfs/out");
    bundle.symlink("nowhere", "rootfs/dangling");
    bundle.write("rootfs/plain", "secret");
    bundle.write("rootfs/ro/file", "x");
    let mut container = Container::start(bundle, "");
    container
        .up(r#"{"ociVersion":"1.0.2","linux":{
            "maskedPaths":["/alias","/out/dir","/dangling","/missing/x","/plain/x","/plain"],
            "readonlyPaths":["/ro","/out","/missing"]}}"#)
        .unwrap();
    assert_eq!(container.get("list", "/secret"), "");
    assert_eq!(container.get("read", "/plain"), "");
    assert!(container.ask(&["write", "/ro/file", "y"]).is_err());
    assert!(container.ask(&["write", "/secret/x", "y"]).is_err());
    assert!(
        container.ask(&["stat", "/nowhere"]).is_err(),
        "nothing is made for a mask"
    );
    assert_untouched(&container.bundle);
}

fn dev_as_a_symlink() {
    let bundle = bundle();
    fs::remove_dir(bundle.path("rootfs/dev")).unwrap();
    bundle.symlink("../outside", "rootfs/dev");
    let mut container = Container::start(bundle, "");
    container.up(r#"{"ociVersion":"1.0.2"}"#).unwrap();
    assert_eq!(container.get("stat", "/outside/null"), "c 0666 0:0 1:3");
    assert_untouched(&container.bundle);
}

fn guest_directory_as_a_symlink() {
    let bundle = bundle();
    bundle.symlink("../outside/dir", "rootfs/.lxcri");
    let mut container = Container::start(bundle, "");
    let error = container
        .make(r#"{"ociVersion":"1.0.2"}"#)
        .unwrap_err()
        .to_string();
    assert!(
        error
            .starts_with("cannot mount the guest directory: /.lxcri in the rootfs is no directory"),
        "{error}"
    );
    assert_untouched(&container.bundle);
    lxcri_runtime::mountpoint::release(&container.bundle.path("rootfs")).unwrap();
    assert_untouched(&container.bundle);
}

fn cwd_as_a_symlink() {
    let bundle = bundle();
    bundle.symlink("../../outside", "rootfs/work");
    let mut container = Container::start(bundle, "");
    container
        .up(r#"{"ociVersion":"1.0.2","process":{"cwd":"/work/a","args":["x"],"user":{"uid":0,"gid":0}}}"#)
        .unwrap();
    assert_eq!(container.get("stat", "/outside/a"), "d 0755 0:0 0:0");
    assert_untouched(&container.bundle);
}
