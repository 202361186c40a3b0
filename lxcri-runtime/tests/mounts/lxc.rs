//! The same under LXC itself, whichever version is installed.

use std::fs;
use std::os::unix::fs::chown;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::container::{Bundle, Container, MAPPED_GID, MAPPED_UID, finish, role};
use crate::role::PATIENCE;
use crate::{Case, skipping_is_wrong};

pub const CASES: &[Case] = &[
    ("lxc::runc_spec", runc_spec),
    ("lxc::user_namespace", user_namespace),
];

const BUSYBOX: &str = "/bin/busybox";

fn runc_spec() {
    under_lxc("net,cgroup,cover,lxcdev");
}

fn user_namespace() {
    under_lxc("net,cgroup,cover,lxcdev,user");
}

fn under_lxc(want: &str) {
    for (program, package) in [("lxc-start", "lxc"), (BUSYBOX, "busybox-static")] {
        let found = Command::new(program).arg("--help").output().is_ok();
        if !found {
            let reason = format!("{program} is missing, package {package}");
            assert!(
                !skipping_is_wrong(&reason),
                "LXCRI_TEST_MUST_RUN=1 forbids to skip"
            );
            return;
        }
    }
    let bundle = Bundle::new();
    // An image that has no /dev, where LXC would fail without the tmpfs of its own.
    fs::remove_dir(bundle.path("rootfs/dev")).unwrap();
    fs::copy(BUSYBOX, bundle.path("rootfs/busybox")).unwrap();
    fs::create_dir(bundle.path("lxc")).unwrap();
    let mut command = command(&bundle, want);
    let mut container = Container::start_lxc(bundle, want, &mut command);
    let mut engine = container
        .make(include_str!("../data/mounts/runc.json"))
        .unwrap();
    container.ask(&["done"]).unwrap();
    wait_for_init(&container);
    finish(&mut engine).unwrap();
    for (path, fstype) in [
        ("/", "ext4"),
        ("/proc", "proc"),
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/sys", "sysfs"),
        ("/proc/acpi", "tmpfs"),
        ("/.lxcri", "ext4"),
    ] {
        let line = container.mount_at(path);
        if fstype != "ext4" {
            assert_eq!(line.fstype, fstype, "{path}");
        }
    }
    for line in container.mounts() {
        assert_eq!(line.propagation, [""; 0], "{}", line.point);
    }
    assert!(container.mount_at("/").has("ro"));
    let root = format!("/proc/{}/root", container.pid);
    let mut names: Vec<_> = fs::read_dir(format!("{root}/dev"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    assert_eq!(names.join(" "), expected);
    // LXC has written nothing into the image.
    assert_eq!(container.bundle.inventory("rootfs/dev"), ["rootfs/dev/"]);
    end(&mut container);
}

/// Starts LXC as the runtime does: with the host's cgroups hidden, and a mount hook that reports.
fn command(bundle: &Bundle, want: &str) -> Command {
    let rootfs = bundle.path("rootfs").display().to_string();
    let hook = role(bundle, "hook", want);
    let mut line = "/usr/bin/env".to_owned();
    for (name, value) in hook.get_envs() {
        line += &format!(" {}={}", name.display(), value.unwrap().display());
    }
    line += &format!(" {}", hook.get_program().display());
    let mut config = format!(
        "lxc.rootfs.path = dir:{rootfs}\nlxc.rootfs.mount = {rootfs}\nlxc.rootfs.managed = 0\n\
         lxc.uts.name = test\nlxc.autodev = 0\nlxc.pty.max = 0\nlxc.tty.max = 0\nlxc.console.path = none\n\
         lxc.net.0.type = empty\nlxc.mount.entry = none dev tmpfs size=4k,create=dir 0 0\n\
         lxc.hook.mount = {line}\nlxc.init.cmd = /busybox sleep 60\n"
    );
    if want.contains("user") {
        config +=
            &format!("lxc.idmap = u 0 {MAPPED_UID} 65536\nlxc.idmap = g 0 {MAPPED_GID} 65536\n");
        chown(bundle.path("rootfs"), Some(MAPPED_UID), Some(MAPPED_GID)).unwrap();
    }
    fs::write(bundle.path("lxc.conf"), config).unwrap();
    let script = "mount --bind \"$1\" /sys/fs/cgroup && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "--propagation",
            "slave",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .arg(bundle.path("rootfs.cover"))
        .args(["lxc-start", "-F", "-n", "test", "-P"])
        .arg(bundle.path("lxc"))
        .arg("-f")
        .arg(bundle.path("lxc.conf"));
    command
}

fn wait_for_init(container: &Container) {
    let deadline = Instant::now() + PATIENCE;
    let comm = format!("/proc/{}/comm", container.pid);
    while fs::read_to_string(&comm).unwrap().trim() != "busybox" {
        assert!(Instant::now() < deadline, "LXC does not execute init");
        sleep(Duration::from_millis(5));
    }
}

/// LXC ends by itself when its init has.
fn end(container: &mut Container) {
    let init = nix::unistd::Pid::from_raw(container.pid);
    nix::sys::signal::kill(init, nix::sys::signal::Signal::SIGKILL).unwrap();
    container.wait();
}
