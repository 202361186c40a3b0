//! The root file system: read-only, masked, without traces of the runtime, with nothing but one static program.

use std::os::unix::fs::MetadataExt;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{PATIENCE, wait_until};
use lxcri_tests::container::{Container, observe};
use lxcri_tests::mountinfo::{EROFS, add_mounts, mount};
use lxcri_tests::phase::PHASES;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
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

/// LXC changes owner and mode of its stdio where that is not the container's /dev/null.
#[test]
fn what_lies_on_dev_null_does_not_change_the_hosts() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let look = || std::fs::metadata("/dev/null").expect("/dev/null");
    let before = look();
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    // As the /dev of a bundle may look in which nothing is /dev/null.
    let dev = scratch.mkdir("dev");
    let mode = Mode::from_bits_truncate(0o666);
    mknod(&dev.join("null"), SFlag::S_IFCHR, mode, makedev(1, 5)).expect("mknod");
    bundle.config["mounts"]
        .as_array_mut()
        .expect("mounts")
        .retain(|mount| {
            let destination = mount["destination"].as_str();
            destination.is_some_and(|path| !path.starts_with("/dev"))
        });
    add_mounts(
        &mut bundle,
        &[json!({"destination": "/dev", "type": "bind", "source": dev, "options": ["rbind"]})],
    );
    observe(runtime, &scratch, &mut bundle, |o| {
        o.with("try-write", "/dev/null")
    });
    let after = look();
    if before.permissions() != after.permissions() {
        std::fs::set_permissions("/dev/null", before.permissions()).expect("chmod /dev/null");
    }
    assert_eq!(
        (before.mode(), before.uid()),
        (after.mode(), after.uid()),
        "the host's /dev/null has changed"
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

/// Whoever is put into a container that waits for its start must not find the runtime's files there.
#[test]
fn a_created_container_shows_nothing_of_the_runtime() {
    let Some(runtime) = need::lxcri() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("echo done");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let create = container.create().success();
    let pid = container.pid().expect("a pid");
    let mountinfo =
        || std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("mountinfo");
    assert!(
        wait_until(PATIENCE, || !mountinfo().contains("/.lxcri")),
        "{}",
        mountinfo()
    );
    let inside = format!("/proc/{pid}/root/.lxcri");
    assert_eq!(std::fs::read_dir(inside).map_or(0, Iterator::count), 0);
    // Whoever may look into init reaches nothing of the host through what it has open.
    let up = "/..".repeat(30);
    let config = container.bundle_path().join("config.json");
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors") {
        let fd = entry.expect("an entry").path();
        let host = format!("{}{up}{}", fd.display(), config.display());
        assert!(
            !std::path::Path::new(&host).exists(),
            "{host} leads to {:?}",
            std::fs::read_link(&fd)
        );
    }
    container.start().success();
    assert!(container.wait_for("stopped"));
    assert_eq!(create.output_now()[0], "done\n");
    container.delete().success();
    leaks::assert_none(scratch.marker());
}

/// After `start` has returned there is nothing; a hook and a program that looks at once may see an empty directory.
#[test]
fn nothing_of_the_runtime_is_in_sight_or_left_behind() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let go = scratch.join("out/go");
    let hook = bundle.probe_as("hook", |o| {
        o.with("list", "/.lxcri")
            .with("cat", "/proc/self/mountinfo")
    });
    bundle.hook(&PHASES[3], json!({ "path": hook }));
    bundle.shell(&format!(
        "ls -A /.lxcri 2>/dev/null; cat /proc/self/mountinfo; while [ ! -e {} ]; do sleep 0.02; done; echo root: /* /.*",
        go.display()
    ));
    let before = leaks::tree(&bundle.rootfs());
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let create = container.create().success();
    container.start().success();
    scratch.write("out/go", "");
    assert!(container.wait_for("stopped"));
    let [output, _] = create.output_now();
    let (at_once, later) = output
        .split_once("root: ")
        .expect("both parts of the output");
    let hook = container.record("inside:hook");
    let inside = &hook.0["list"]["/.lxcri"];
    assert!(
        inside.as_array().is_none_or(Vec::is_empty),
        "the hook sees {inside}"
    );
    for text in [
        at_once,
        hook.file("/proc/self/mountinfo").unwrap_or_default(),
    ] {
        assert!(
            !text.contains("lxcri-hook") && !text.contains("/.lxcri"),
            "{text}"
        );
    }
    assert!(
        later.contains("/bin") && !later.contains(".lxcri"),
        "{later}"
    );
    container.delete().success();
    let mut after = leaks::tree(&container.bundle_path().join("rootfs"));
    // The mount points of /dev are the image's business, as with every runtime.
    let dev = container.bundle_path().join("rootfs/dev");
    after.retain(|path| !before.contains(path) && !path.starts_with(&dev));
    assert!(after.is_empty(), "left in the root file system: {after:?}");
}

#[test]
fn an_image_of_one_static_program() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Static);
    for phase in &PHASES {
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

#[test]
fn a_runtime_in_a_chroot() {
    let Some(runtime) = need::lxcri() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    // The host's own files below another root directory; the mounts end with the command.
    let inside = scratch.mkdir("chroot");
    let wrapper = format!(
        "#!/bin/sh\nexec unshare --mount --propagation private /bin/sh -c 'mount --rbind / {0} && exec chroot {0} \"$0\" \"$@\"' {1} \"$@\"\n",
        inside.display(),
        runtime.program.display()
    );
    let mut chrooted = runtime.clone();
    chrooted.program = scratch.write("lxcri-chroot", wrapper);
    scratch.mode("lxcri-chroot", 0o755);
    let container = Container::new(&chrooted, &scratch, &mut bundle, "c");
    let outcome = container.create().failure();
    let expected = "cannot make containers in a chroot, only in the root of the mount namespace";
    assert!(outcome.error().contains(expected), "{outcome}");
    assert!(!container.is_on_disk());
    drop(container);
    leaks::assert_none(scratch.marker());
}

/// Masks, and nodes in place of an image's empty files, are the host's own: the container may use them, but not change them.
#[test]
fn the_nodes_of_the_host_keep_their_modes() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    // An image unpacked without privileges, in a container without a mount at /dev.
    bundle.mkdir("dev");
    std::fs::write(bundle.rootfs().join("dev/full"), "").expect("write");
    if let Some(mounts) = bundle.config["mounts"].as_array_mut() {
        mounts.retain(|mount| {
            let at = mount["destination"].as_str().unwrap_or_default();
            !at.starts_with("/dev")
        });
    }
    bundle.config["linux"]["maskedPaths"] = json!(["/proc/keys"]);
    // The modes that they have: a runtime that lets it through changes nothing.
    let script = "chmod 0666 /proc/keys && exit 1; chmod 0666 /dev/full && exit 2; touch -c /proc/keys && exit 3; \
                  cat /proc/keys && echo x > /proc/keys && ! echo x > /dev/full && echo used";
    bundle.shell(script);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = container.running().run().success();
    assert_eq!(outcome.stdout, "used\n", "{outcome}");
}

/// What the runtime has made goes away, what the image brings stays: on a read-only file system it is needed.
#[test]
fn an_image_keeps_its_own_mount_point() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("exit 0");
    let place = bundle.rootfs().join(".lxcri");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    container.running().run().success();
    assert!(!place.exists());
    std::fs::create_dir(&place).expect("mkdir");
    container.running().run().success();
    assert!(place.is_dir());
}
