//! Per runtime and path: the user's program never starts before the prestart hook has ended, and poststop runs once.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use lxcri_tests::command::{find_program, wait_until};
use lxcri_tests::leaks;

use crate::real::{Real, moment};
use crate::watcher::{PATIENCE, Watcher};

/// The hooks say what happens to which container, and leave a file at the moment that matters.
const HOOK: &str = r#"#!/bin/sh
state=$(cat)
echo "$1 begins $state" >> DIR/log
case $1 in
prestart) sleep 0.3; : > DIR/released ;;
poststop) : > DIR/poststop ;;
esac
echo "$1 ends" >> DIR/log
"#;

/// The container's program: it says when it started and when it is about to end.
const PROGRAM: &str = ": > /started; sleep 0.3; : > /ended";

struct Setting {
    real: Real,
    watcher: Watcher,
}

impl Setting {
    fn new(runtime: &str) -> Option<Setting> {
        let real = Real::new(runtime)?;
        let directory = real.scratch.path().display().to_string();
        real.scratch.write("hook", HOOK.replace("DIR", &directory));
        real.scratch.mode("hook", 0o755);
        let hook = real.scratch.join("hook").display().to_string();
        let (prestart, poststop) = (format!("{hook} prestart"), format!("{hook} poststop"));
        let mut options = real.options(&["--prestart", &prestart, "--poststop", &poststop]);
        if runtime == "lxcri" {
            // LXC as lxcri uses it is watched as well, and must be taken for no container of its own.
            let lxc = find_program("lxc-start")?.display().to_string();
            options.extend(["--runtime", &lxc, "--on-failure", "deny"].map(str::to_owned));
        }
        let watcher = Watcher::start(options);
        Some(Setting { real, watcher })
    }

    fn lines(&self, start: &str) -> Vec<String> {
        let text = fs::read_to_string(self.real.scratch.join("log")).unwrap_or_default();
        let lines = text.lines().filter(|line| line.starts_with(start));
        lines.map(str::to_owned).collect()
    }

    /// Checks one container's life after its end.
    fn check(self, id: &str, bundle: &Path, rootfs: &Path) {
        let removed = self.watcher.await_event("removed", id);
        let added = self.watcher.await_event("added", id);
        assert_eq!(added["gated"], true, "{added}");
        assert_eq!(added["bundle"], bundle.to_str().expect("UTF-8"), "{added}");
        assert_eq!(added["runtime"], self.real.runtime.name());
        assert_eq!(added["pid"], removed["pid"]);
        assert!(wait_until(PATIENCE, || !self
            .lines("poststop ends")
            .is_empty()));
        // Long enough for whatever would notice the container a second time.
        thread::sleep(Duration::from_millis(2500));
        for (kind, start) in [("added", "prestart ends"), ("removed", "poststop ends")] {
            assert_eq!(
                self.watcher.events_of(kind, id).len(),
                1,
                "{}",
                self.watcher.output()
            );
            assert_eq!(self.lines(start).len(), 1, "{:#?}", self.lines(""));
        }
        let scratch = self.real.scratch.path();
        let (released, started) = (
            moment(&scratch.join("released")),
            moment(&rootfs.join("started")),
        );
        assert!(
            released <= started,
            "released at {released:?}, started at {started:?}"
        );
        let (ended, poststop) = (
            moment(&rootfs.join("ended")),
            moment(&scratch.join("poststop")),
        );
        let after = poststop
            .duration_since(ended)
            .expect("poststop before the end");
        println!(
            "poststop ran {} ms after the program's last word",
            after.as_millis()
        );
        let begins = self.lines("poststop begins");
        assert!(
            begins[0].contains("\"status\":\"stopped\"") && begins[0].contains(id),
            "{begins:?}"
        );
        assert_eq!(self.watcher.end(), "");
        let scratch = &self.real.scratch;
        assert!(wait_until(PATIENCE, || leaks::processes(scratch.marker()).is_empty()));
    }
}

fn run(runtime: &str) {
    let Some(setting) = Setting::new(runtime) else {
        return;
    };
    let id = setting.real.scratch.id("c");
    let bundle = setting.real.bundle("c", PROGRAM);
    let command = setting
        .real
        .command()
        .arg("run")
        .arg("--bundle")
        .arg(&bundle)
        .arg(&id);
    command.run().success();
    let rootfs = bundle.join("rootfs");
    setting.check(&id, &bundle, &rootfs);
}

fn create_and_start(runtime: &str) {
    let Some(setting) = Setting::new(runtime) else {
        return;
    };
    let id = setting.real.scratch.id("c");
    let bundle = setting.real.bundle("c", PROGRAM);
    let command = |verb: &str| setting.real.command().arg(verb);
    // In the bundle, which is the default.
    command("create").cwd(&bundle).arg(&id).run().success();
    thread::sleep(Duration::from_millis(200));
    assert!(
        setting.watcher.events("added").is_empty(),
        "it has not been started"
    );
    command("start").arg(&id).run().success();
    let rootfs = bundle.join("rootfs");
    setting.watcher.await_event("removed", &id);
    command("delete").arg("--force").arg(&id).run().success();
    setting.check(&id, &bundle, &rootfs);
}

#[test]
fn runc_run() {
    run("runc");
}

#[test]
fn runc_create_and_start() {
    create_and_start("runc");
}

#[test]
fn crun_run() {
    run("crun");
}

#[test]
fn crun_create_and_start() {
    create_and_start("crun");
}

#[test]
fn lxcri_run() {
    run("lxcri");
}

#[test]
fn lxcri_create_and_start() {
    create_and_start("lxcri");
}

#[test]
fn youki_run() {
    run("youki");
}

#[test]
fn youki_create_and_start() {
    create_and_start("youki");
}

fn lxc(mode: &str) {
    let Some(setting) = Setting::new("lxc-start") else {
        return;
    };
    let id = setting.real.scratch.id("c");
    let root = setting.real.lxc(&id, PROGRAM);
    let command = setting.real.command_of_lxc(&id).arg(mode);
    command.run().success();
    let directory = setting.real.root.join(&id);
    setting.check(&id, &directory, &root);
}

#[test]
fn lxc_start_in_the_foreground() {
    lxc("-F");
}

#[test]
fn lxc_start_as_a_daemon() {
    lxc("-d");
}
