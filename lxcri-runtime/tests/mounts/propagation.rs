//! Propagation, before and after LXC makes every mount shared.

use std::fs;

use nix::mount::{MsFlags, mount};

use crate::Case;
use crate::container::{Bundle, Container, finish};

pub const CASES: &[Case] = &[
    ("propagation::default_is_slave", default_is_slave),
    ("propagation::private_hears_nothing", private_hears_nothing),
    ("propagation::shared_goes_both_ways", shared_goes_both_ways),
    ("propagation::unbindable", unbindable),
    (
        "propagation::mounts_of_hooks_are_restored",
        mounts_of_hooks_are_restored,
    ),
    ("propagation::of_the_root", of_the_root),
];

/// A bundle whose `data` is a shared mount of the host's with a mount point `sub` in it, as all mounts are with systemd.
fn bundle() -> Bundle {
    let bundle = Bundle::new();
    let data = bundle.path("data");
    let quiet = None::<&str>;
    mount(Some("x"), &data, Some("tmpfs"), MsFlags::empty(), quiet).unwrap();
    mount(quiet, &data, quiet, MsFlags::MS_SHARED, quiet).unwrap();
    for name in ["sub", "later", "inner"] {
        fs::create_dir(data.join(name)).unwrap();
    }
    mount(
        Some("x"),
        &data.join("sub"),
        Some("tmpfs"),
        MsFlags::empty(),
        quiet,
    )
    .unwrap();
    bundle
}

fn volume(options: &str) -> String {
    format!(
        r#"{{"ociVersion":"1.0.2","mounts":[
        {{"destination":"/proc","type":"proc"}},
        {{"destination":"/v","source":"data","options":[{options}]}},
        {{"destination":"/tmp","type":"tmpfs"}}]}}"#
    )
}

/// The host mounts something in the volume.
fn mount_on_host(bundle: &Bundle) {
    let target = bundle.path("data/later");
    mount(
        Some("x"),
        &target,
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )
    .unwrap();
}

fn host_sees(bundle: &Bundle, name: &str) -> bool {
    let point = format!(" {} ", bundle.path(name).display());
    fs::read_to_string("/proc/thread-self/mountinfo")
        .unwrap()
        .contains(&point)
}

fn default_is_slave() {
    for options in [r#""rbind""#, r#""rbind","rslave""#, r#""rbind","slave""#] {
        let mut container = Container::start(bundle(), "");
        container.up(&volume(options)).unwrap();
        assert_eq!(
            container.mount_at("/v").propagation,
            ["master"],
            "{options}"
        );
        assert_eq!(
            container.mount_at("/v/sub").propagation,
            ["master"],
            "{options}"
        );
        for path in ["/", "/proc", "/tmp", "/.lxcri"] {
            assert_eq!(container.mount_at(path).propagation, [""; 0], "{path}");
        }
        mount_on_host(&container.bundle);
        assert_eq!(container.mount_at("/v/later").fstype, "tmpfs");
        container.ask(&["tmpfs", "/v/inner"]).unwrap();
        assert!(!host_sees(&container.bundle, "data/inner"));
    }
}

fn private_hears_nothing() {
    let mut container = Container::start(bundle(), "");
    container.up(&volume(r#""rbind","rprivate""#)).unwrap();
    assert_eq!(container.mount_at("/v").propagation, [""; 0]);
    assert_eq!(container.mount_at("/v/sub").propagation, [""; 0]);
    mount_on_host(&container.bundle);
    assert!(
        !container
            .mounts()
            .iter()
            .any(|line| line.point == "/v/later")
    );
    // Without the r the mounts below still hear the host; the host never hears them, not even before the pivot.
    let mut container = Container::start(bundle(), "");
    let mut engine = container.make(&volume(r#""rbind","private""#)).unwrap();
    let below = container.bundle.path("rootfs/v/sub").display().to_string();
    assert_eq!(container.mount_at(&below).propagation, ["master"]);
    container.pivot();
    finish(&mut engine).unwrap();
    assert_eq!(container.mount_at("/v").propagation, [""; 0]);
    assert_eq!(container.mount_at("/v/sub").propagation, ["master"]);
}

fn shared_goes_both_ways() {
    let mut container = Container::start(bundle(), "");
    container
        .up(r#"{"ociVersion":"1.0.2","mounts":[
            {"destination":"/proc","type":"proc"},
            {"destination":"/v","source":"data","options":["rbind","rshared"]},
            {"destination":"/v/inner","source":"guest","options":["bind"]},
            {"destination":"/tmp","type":"tmpfs"}]}"#)
        .unwrap();
    for path in ["/v", "/v/sub"] {
        assert_eq!(container.mount_at(path).propagation, ["shared"], "{path}");
    }
    for path in ["/", "/proc", "/tmp", "/.lxcri", "/v/inner"] {
        assert!(
            !container
                .mount_at(path)
                .propagation
                .contains(&"shared".to_owned()),
            "{path}"
        );
    }
    mount_on_host(&container.bundle);
    assert_eq!(container.mount_at("/v/later").fstype, "tmpfs");
    container.ask(&["mkdir", "/v/sub/made"]).unwrap();
    container.ask(&["tmpfs", "/v/sub/made"]).unwrap();
    assert!(host_sees(&container.bundle, "data/sub/made"));
}

fn unbindable() {
    let mut container = Container::start(bundle(), "");
    container.up(&volume(r#""rbind","runbindable""#)).unwrap();
    assert_eq!(container.mount_at("/v").propagation, ["unbindable"]);
    assert_eq!(container.mount_at("/v/sub").propagation, ["unbindable"]);
    assert_eq!(container.mount_at("/tmp").propagation, [""; 0]);
}

/// LXC makes them shared like all others.
fn mounts_of_hooks_are_restored() {
    for options in [r#""rbind""#, r#""rbind","rshared""#] {
        let mut container = Container::start(bundle(), "");
        let mut engine = container.make(&volume(options)).unwrap();
        let rootfs = container.bundle.path("rootfs").display().to_string();
        container
            .ask(&["mkdir", &format!("{rootfs}/hook")])
            .unwrap();
        container
            .ask(&["tmpfs", &format!("{rootfs}/hook")])
            .unwrap();
        container.pivot();
        assert_eq!(
            container.mount_at("/hook").propagation,
            ["shared"],
            "what LXC does"
        );
        finish(&mut engine).unwrap();
        assert_eq!(
            container.mount_at("/hook").propagation,
            [""; 0],
            "{options}"
        );
    }
}

fn of_the_root() {
    let shared_rootfs = || {
        let bundle = bundle();
        let rootfs = bundle.path("rootfs");
        let quiet = None::<&str>;
        mount(Some("x"), &rootfs, Some("tmpfs"), MsFlags::empty(), quiet).unwrap();
        mount(quiet, &rootfs, quiet, MsFlags::MS_SHARED, quiet).unwrap();
        bundle
    };
    for (asked, root, volume) in [
        ("", &["master"][..], &["master"][..]),
        ("rslave", &["master"], &["master"]),
        ("private", &[], &[]),
        ("rprivate", &[], &[]),
        ("shared", &["shared", "master"], &["master"]),
        ("rshared", &["shared", "master"], &["master"]),
        ("unbindable", &["unbindable"], &["master"]),
    ] {
        let mut container = Container::start(shared_rootfs(), "");
        container
            .up(&format!(
                r#"{{"ociVersion":"1.0.2","mounts":[{{"destination":"/v","source":"data","options":["rbind"]}}],
                "linux":{{"rootfsPropagation":"{asked}"}}}}"#
            ))
            .unwrap();
        assert_eq!(container.mount_at("/").propagation, root, "{asked}");
        assert_eq!(container.mount_at("/v").propagation, volume, "{asked}");
    }
}
