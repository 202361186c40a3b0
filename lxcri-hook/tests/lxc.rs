//! A container that LXC alone manages runs its createContainer, startContainer and poststop hooks.
//!
//! The lines of the configuration that concern hooks are those of docs/hook-tree.md: `lxc.hook.*` that name the launcher bare, and
//! the mount of the guest directory. What a container needs to end by itself, and `lxc.rootfs.managed = 0`, are added.
#![deny(unsafe_code)]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{LAUNCHER, Tree, copy_program, has_program, is_root, run, skip};

const BUSYBOX: &str = "/bin/busybox";

fn possible() -> bool {
    let missing = ["lxc-start", "lxc-destroy"]
        .into_iter()
        .find(|program| !has_program(program));
    if !is_root() {
        skip("LXC containers need root");
    } else if let Some(program) = missing {
        skip(&format!("{program} is missing (package lxc)"));
    } else if !Path::new(BUSYBOX).exists() {
        skip("busybox is missing (package busybox-static)");
    } else {
        return true;
    }
    false
}

struct Container {
    tree: Tree,
    rootfs: tempfile::TempDir,
}

impl Container {
    fn new() -> Container {
        let base = tempfile::tempdir().unwrap();
        let path = base.path();
        for dir in ["bin", "proc", "dev", "tmp"] {
            fs::create_dir(path.join(dir)).unwrap();
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        copy_program(BUSYBOX, &path.join("bin/busybox"));
        symlink("busybox", path.join("bin/sh")).unwrap();
        let container = Container {
            tree: Tree::new(),
            rootfs: base,
        };
        let dir = container.dir();
        fs::create_dir_all(dir.join("guest")).unwrap();
        copy_program(LAUNCHER, &dir.join("guest/lxcri-hook"));
        container
    }

    /// `<lxcpath>/c1`.
    fn dir(&self) -> PathBuf {
        self.tree.join("c1")
    }

    fn hook(&self, at: &str, script: &str) {
        let base = format!("c1/{at}");
        let command = ["/bin/sh", "sh", "-c", script];
        self.tree
            .write(&format!("{base}/cmdline"), &support::strings(&command));
        self.tree.write(
            &format!("{base}/environ"),
            &support::strings(&["PATH=/bin:/usr/bin", "HOOK=yes"]),
        );
    }

    fn write_configuration(&self) {
        let dir = self.dir();
        let config = format!(
            "lxc.uts.name = c1\n\
             lxc.rootfs.path = dir:{rootfs}\n\
             lxc.rootfs.managed = 0\n\
             lxc.net.0.type = none\n\
             lxc.mount.auto = proc:mixed\n\
             lxc.mount.entry = {dir}/guest .lxcri none bind,ro,create=dir 0 0\n\
             lxc.hook.version = 1\n\
             lxc.hook.mount = {LAUNCHER}\n\
             lxc.hook.start = /.lxcri/lxcri-hook\n\
             lxc.hook.destroy = {LAUNCHER}\n\
             lxc.console.path = none\n\
             lxc.init.cmd = /bin/busybox sh -c 'exit 0'\n",
            rootfs = self.rootfs.path().display(),
            dir = dir.display(),
        );
        fs::write(dir.join("config"), config).unwrap();
    }

    fn lxc(&self, program: &str, more: &[&str]) -> support::Finished {
        let mut command = Command::new(program);
        command.args([
            "-P".as_ref(),
            self.tree.path().as_os_str(),
            "-n".as_ref(),
            "c1".as_ref(),
        ]);
        run(command.args(more).env("LEAK", "x"))
    }
}

impl Drop for Container {
    /// Removes the lock that LXC makes for each container, and the directory of this one alone in which it lies.
    fn drop(&mut self) {
        let path = self.tree.path();
        let locks = Path::new("/run/lxc/lock").join(path.strip_prefix("/").unwrap_or(path));
        let _ = fs::remove_file(locks.join(".c1"));
        let _ = fs::remove_dir(locks);
    }
}

#[test]
fn a_container_of_lxc_alone() {
    if !possible() {
        return;
    }
    let container = Container::new();
    let marks = container.rootfs.path().join("tmp");
    container
        .tree
        .write("c1/state.json", br#"{"status":"stopped"}"#);
    container
        .tree
        .write("c1/guest/state.json", br#"{"status":"created"}"#);
    // Before the pivot: host paths, the container's namespaces, the rootfs as working directory.
    let create = "cat > tmp/create; env >> tmp/create; readlink /proc/self/ns/uts >> tmp/create; ls bin >> tmp/create";
    container.hook("hooks/create-container/1", create);
    // After it: only what the image has.
    let start = "busybox cat > /tmp/start; busybox env >> /tmp/start; busybox hostname >> /tmp/start; \
                 busybox pwd >> /tmp/start; busybox test -e /usr/bin || echo image >> /tmp/start";
    container.hook("guest/hooks/start-container/1", start);
    let stop = container.dir().join("stopped");
    container.hook(
        "hooks/poststop/1",
        &format!("cat > {}; exit 9", stop.display()),
    );
    container.hook("hooks/poststop/2", "echo goes on");
    container.write_configuration();

    let log = container.tree.join("log");
    let started = container.lxc(
        "lxc-start",
        &["-F", "-l", "DEBUG", "-o", log.to_str().unwrap()],
    );
    let log = fs::read_to_string(log).unwrap_or_default();
    assert!(started.status.success(), "{started:?}\n{log}");

    let create = fs::read_to_string(marks.join("create")).expect("the createContainer hook ran");
    assert!(create.starts_with(r#"{"status":"created"}"#), "{create}");
    assert!(
        create.contains("HOOK=yes") && create.ends_with("busybox\nsh\n"),
        "{create}"
    );
    assert!(
        !create.contains("LEAK") && !create.contains("LXC_"),
        "{create}"
    );
    let own = fs::read_link("/proc/self/ns/uts").unwrap();
    assert!(
        !create.contains(own.to_str().unwrap()),
        "ran in the host's UTS namespace"
    );
    let start = fs::read_to_string(marks.join("start")).expect("the startContainer hook ran");
    assert!(
        start.starts_with(r#"{"status":"created"}"#) && start.contains("HOOK=yes"),
        "{start}"
    );
    assert!(
        !start.contains("LEAK") && start.ends_with("\nc1\n/\nimage\n"),
        "{start}"
    );

    // Failures of poststop do not keep the container from being destroyed.
    let destroyed = container.lxc("lxc-destroy", &[]);
    assert!(destroyed.status.success(), "{destroyed:?}");
    assert_eq!(fs::read_to_string(stop).unwrap(), r#"{"status":"stopped"}"#);
    let records = fs::read_to_string(container.dir().join("hooks.jsonl")).unwrap();
    let records: Vec<serde_json::Value> = records
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let phases: Vec<_> = records
        .iter()
        .map(|record| record["phase"].as_str().unwrap())
        .collect();
    assert_eq!(phases, ["createContainer", "poststop", "poststop"]);
    assert_eq!(
        (&records[1]["exit_status"], &records[2]["stdout"]),
        (&9.into(), &"goes on\n".into())
    );
}

#[test]
fn a_failing_hook_keeps_the_container_from_starting() {
    if !possible() {
        return;
    }
    for at in ["hooks/create-container/1", "guest/hooks/start-container/1"] {
        let container = Container::new();
        container.tree.write("c1/state.json", b"{}");
        container.tree.write("c1/guest/state.json", b"{}");
        // liblxc stops reading a hook's output early; ours must not reach it.
        container.hook(
            at,
            "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; exit 3",
        );
        container.write_configuration();
        let log = container.tree.join("log");
        let started = container.lxc(
            "lxc-start",
            &["-F", "-l", "DEBUG", "-o", log.to_str().unwrap()],
        );
        assert!(!started.status.success(), "{started:?}");
        let log = fs::read_to_string(log).unwrap();
        assert!(
            log.contains("Container hook #1 (/bin/sh): exit status 3 after "),
            "{log}"
        );
        assert!(!log.contains("line 4000"));
    }
}
