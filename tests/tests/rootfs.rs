//! The root file system: read-only, masked, without traces of the runtime, with nothing but one static program.

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::container::observe;
use lxcri_tests::mountinfo::{EROFS, add_mounts, mount};
use lxcri_tests::probe::Orders;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use serde_json::json;

const ENOENT: i64 = 2;

#[test]
fn links_in_the_image_do_not_lead_out() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let victim = scratch.mkdir("victim");
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    // Inside the container this is a path of the container, whatever the host has there.
    std::os::unix::fs::symlink(&victim, bundle.rootfs().join("link")).expect("a symlink");
    add_mounts(
        &mut bundle,
        &[json!({"destination": "/link/made", "type": "tmpfs", "source": "tmpfs"})],
    );
    let record = observe(runtime, &scratch, &mut bundle, |o| {
        o.with("cat", "/proc/self/mountinfo")
    });
    let inside = format!("{}/made", victim.display());
    assert_eq!(mount(&record, &inside).kind, "tmpfs");
    assert!(
        !victim.join("made").exists(),
        "the host's directory was touched"
    );
}

#[test]
fn read_only_root() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["root"]["readonly"] = json!(true);
    // A mount point that is missing is made although the root is read-only in the end.
    add_mounts(
        &mut bundle,
        &[json!({"destination": "/not/there/yet", "type": "tmpfs", "source": "tmpfs"})],
    );
    let record = observe(runtime, &scratch, &mut bundle, |o| {
        o.with("cat", "/proc/self/mountinfo")
            .with("try-write", "/x")
            .with("try-write", "/not/there/yet/x")
    });
    mount(&record, "/").has(&["ro"]);
    assert_eq!(
        bundle.records().attempt("process", "try-write /x"),
        Some(EROFS)
    );
    assert_eq!(
        bundle
            .records()
            .attempt("process", "try-write /not/there/yet/x"),
        Some(0)
    );
}

#[test]
fn masked_and_read_only_paths() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    std::fs::create_dir(bundle.rootfs().join("secrets")).expect("a directory");
    std::fs::write(bundle.rootfs().join("secrets/key"), "secret").expect("a file");
    std::fs::write(bundle.rootfs().join("etc/key"), "secret").expect("a file");
    bundle.config["linux"]["maskedPaths"] = json!(["/secrets", "/etc/key", "/does/not/exist"]);
    bundle.config["linux"]["readonlyPaths"] = json!(["/var", "/does/not/exist/either"]);
    observe(runtime, &scratch, &mut bundle, |o| {
        let o = o
            .with("cat", "/secrets/key")
            .with("cat", "/etc/key")
            .with("list", "/secrets");
        o.with("try-write", "/var/x")
            .with("try-write", "/root/x")
            .with("see", "/does")
    });
    let records = bundle.records();
    let record = records.started("process").expect("a record");
    assert_eq!(record.0["cat"]["/secrets/key"]["errno"], ENOENT);
    assert_eq!(record.file("/etc/key"), Some(""));
    assert_eq!(record.0["list"]["/secrets"], json!([]));
    assert!(!record.sees("/does"), "missing paths are not made");
    assert_eq!(records.attempt("process", "try-write /var/x"), Some(EROFS));
    assert_eq!(records.attempt("process", "try-write /root/x"), Some(0));
}

#[test]
fn nothing_of_the_runtime_is_in_sight_or_left_behind() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let orders = |o: Orders| {
        o.with("list", "/")
            .with("cat", "/proc/self/mountinfo")
            .with("see", "/.lxcri")
    };
    for phase in lxcri_tests::phase::PHASES
        .iter()
        .filter(|p| p.name == "startContainer")
    {
        let path = bundle.probe_as("hook", orders);
        bundle.hook(phase, json!({"path": path}));
    }
    let before = leaks::tree(&bundle.rootfs());
    let before: Vec<_> = before
        .into_iter()
        .chain([bundle.rootfs().join("probe.conf")])
        .collect();
    let record = observe(runtime, &scratch, &mut bundle, orders);
    let records = bundle.records();
    for seen in [
        &record,
        records
            .started("inside:hook")
            .expect("a record of the hook"),
    ] {
        assert!(!seen.sees("/.lxcri"), "{} sees /.lxcri", seen.text("label"));
        let table = seen.file("/proc/self/mountinfo").unwrap_or_default();
        assert!(
            !table.contains("lxcri-hook") && !table.contains("/.lxcri"),
            "{table}"
        );
    }
    let mut after = leaks::tree(&bundle.rootfs());
    // The mount points of /dev are the image's business, as with every runtime.
    after.retain(|path| !before.contains(path) && !path.starts_with(bundle.rootfs().join("dev")));
    assert!(after.is_empty(), "left in the root file system: {after:?}");
}

#[test]
fn an_image_of_one_static_program() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Static);
    for phase in &lxcri_tests::phase::PHASES {
        let path = bundle.probe_as(phase.name, |o| o);
        bundle.hook(phase, json!({"path": path}));
    }
    let record = observe(runtime, &scratch, &mut bundle, |o| o.with("list", "/"));
    let listed = record.0["list"]["/"].to_string();
    assert!(
        !listed.contains("bin") && !listed.contains("lib"),
        "{listed}"
    );
    let records = bundle.records();
    let mut labels = records.labels("start");
    labels.sort_unstable();
    assert_eq!(labels.len(), 7, "{labels:?}");
}
