//! LXC's containers whose program, root or place is not said by their configuration.

use lxcri_tests::command::Cmd;

use crate::real::{Real, moment};
use crate::watcher::Watcher;

/// A container whose program says that it has started, and a watcher whose hook says when it has ended.
struct Setting {
    real: Real,
    watcher: Watcher,
    id: String,
}

impl Setting {
    /// `None` where there is no LXC.
    fn new() -> Option<Setting> {
        let real = Real::new("lxc-start")?;
        let id = real.scratch.id("c");
        real.lxc(&id, ": > /started");
        let released = real.scratch.join("released").display().to_string();
        let hook = format!("#!/bin/sh\nsleep 0.3\n: > {released}\n");
        real.scratch.write("hook", hook);
        real.scratch.mode("hook", 0o755);
        let hook = real.scratch.join("hook").display().to_string();
        Some(Setting {
            watcher: Watcher::start(real.options(&["--prestart", &hook])),
            real,
            id,
        })
    }

    /// Replaces what the configuration says of program and root.
    fn configure(&self, more: &str) {
        let config =
            format!("lxc.uts.name = c\nlxc.net.0.type = empty\nlxc.mount.auto = proc\n{more}");
        let file = self.real.root.join(&self.id).join("config");
        self.real.scratch.write(file, config);
    }

    #[track_caller]
    fn check(self, command: Cmd) {
        command.run().success();
        let added = self.watcher.await_event("added", &self.id);
        let directory = self.real.root.join(&self.id);
        assert_eq!(added["gated"], true, "{added}");
        assert_eq!(
            added["bundle"],
            directory.to_str().expect("UTF-8"),
            "{added}"
        );
        let started = moment(&directory.join("rootfs/started"));
        assert!(moment(&self.real.scratch.join("released")) <= started);
        self.watcher.await_event("removed", &self.id);
        assert_eq!(self.watcher.end(), "");
    }
}

#[test]
fn settings_on_the_command_line() {
    let Some(setting) = Setting::new() else {
        return;
    };
    setting.configure("lxc.rootfs.path = dir:/nonexistent\nlxc.init.cmd = /nonexistent\n");
    let rootfs = setting.real.root.join(&setting.id).join("rootfs");
    let command = setting.real.command_of_lxc(&setting.id);
    let command = command
        .arg("-F")
        .arg("-s")
        .arg(format!("lxc.rootfs.path=dir:{}", rootfs.display()))
        .arg("--define=lxc.init.cmd=/program");
    setting.check(command);
}

#[test]
fn a_configuration_relative_to_the_caller() {
    let Some(setting) = Setting::new() else {
        return;
    };
    let directory = setting.real.root.join(&setting.id);
    let moved = directory.join("other");
    std::fs::rename(directory.join("config"), &moved).expect("rename");
    let root = setting.real.root.display().to_string();
    let line = ["-F", "-n", &setting.id, "-f", "./other", "-P", &root];
    let command = Cmd::new(&setting.real.runtime.program).args(line);
    setting.check(command.cwd(&directory));
}

/// Of the runtime's own /etc, which need not be ours.
#[test]
fn the_path_of_all_containers() {
    let Some(setting) = Setting::new() else {
        return;
    };
    let real = &setting.real;
    let etc = real.scratch.mkdir("etc");
    let root = real.root.display();
    real.scratch
        .write(etc.join("lxc.conf"), format!("lxc.lxcpath = {root}\n"));
    let script = "mount --bind \"$1\" /etc/lxc && exec \"$2\" -F -n \"$3\"";
    let command = Cmd::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(etc)
        .arg(&real.runtime.program)
        .arg(&setting.id);
    setting.check(command);
}
