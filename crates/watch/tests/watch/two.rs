//! Two watchers of the same runtime: each holds, and neither needs the other.

use std::path::Path;

use lxcri_tests::command::wait_until;
use nix::sys::signal::Signal;

use crate::fake::Fake;
use crate::real::{Real, moment};
use crate::watcher::{PATIENCE, Role, Watcher};

/// A watcher whose hooks need `seconds` each and say that they have ended.
fn watcher(fake: &Fake, name: &str, seconds: f32) -> Watcher {
    let log = fake.log().display().to_string();
    let script = format!("sleep {seconds}; echo \"{name} $STATUS $ID\" >> {log}");
    let hook = fake.hook(name, &script);
    Watcher::start(fake.with(&["--prestart", &hook, "--poststop", &hook]))
}

fn said(fake: &Fake, start: &str) -> usize {
    let lines = fake.lines();
    lines.iter().filter(|line| line.starts_with(start)).count()
}

#[test]
fn both_hooks_end_before_the_program() {
    let Some(fake) = Fake::new() else { return };
    let watchers = ["one", "two"].map(|name| watcher(&fake, name, 0.3));
    let mut container = fake.container("c");
    container.start().expect("execve");
    assert_eq!(
        (said(&fake, "one created"), said(&fake, "two created")),
        (1, 1)
    );
    container.mark_started();
    container.kill();
    assert!(
        wait_until(PATIENCE, || fake.lines().len() == 4),
        "{:?}",
        fake.lines()
    );
    for watcher in watchers {
        let added = watcher.await_event("added", &container.id);
        assert_eq!(added["gated"], true, "{added}");
        assert_eq!(watcher.events_of("removed", &container.id).len(), 1);
        assert_eq!(watcher.end(), "");
    }
    assert_eq!(
        (said(&fake, "one stopped"), said(&fake, "two stopped")),
        (1, 1)
    );
}

/// Whatever becomes of one of them while both hold, the other holds, and does so afterwards.
fn the_other_goes_on(signal: Signal) {
    let Some(fake) = Fake::new() else { return };
    let other = watcher(&fake, "other", 1.0);
    let one = watcher(&fake, "one", 1.0);
    let container = fake.container("c");
    std::thread::scope(|scope| {
        let start = scope.spawn(|| container.start());
        // Its hook runs now, or it waits for that of the other.
        let either = || !one.events("added").is_empty() || !other.events("added").is_empty();
        assert!(wait_until(PATIENCE, either));
        one.signal(Role::Supervisor, signal);
        start.join().expect("thread").expect("execve");
    });
    assert_eq!(said(&fake, "other created"), 1, "{:?}", fake.lines());
    let next = fake.container("next");
    next.start().expect("execve");
    assert_eq!(said(&fake, &format!("other created {}", next.id)), 1);
    for id in [&container.id, &next.id] {
        let added = other.await_event("added", id);
        assert_eq!(added["gated"], true, "{added}");
    }
    assert_eq!(other.end(), "");
}

#[test]
fn one_ends() {
    the_other_goes_on(Signal::SIGTERM);
}

#[test]
fn one_is_killed() {
    the_other_goes_on(Signal::SIGKILL);
}

/// Two watchers whose hooks take longer than either would wait for a program. It is marked by both, and the runtime's
/// record may say that it was started while the first of them still holds it.
struct Slow {
    real: Real,
    watchers: [Watcher; 2],
}

const NAMES: [&str; 2] = ["one", "two"];

impl Slow {
    fn new(runtime: &str) -> Option<Slow> {
        let real = Real::new(runtime)?;
        let start = |name: &str| {
            let done = real.scratch.join(name).display().to_string();
            let file = format!("{name}-hook");
            let script = format!("#!/bin/sh\nsleep 3\n: > {done}\n");
            real.scratch.write(&file, script);
            real.scratch.mode(&file, 0o755);
            let hook = real.scratch.join(&file).display().to_string();
            Watcher::start(real.options(&["--timeout", "60s", "--prestart", &hook]))
        };
        let watchers = NAMES.map(start);
        Some(Slow { real, watchers })
    }

    fn check(self, id: &str, started: &Path) {
        // lxc-start as a daemon returns before that.
        for watcher in &self.watchers {
            watcher.await_event("removed", id);
        }
        let started = moment(started);
        for (name, watcher) in NAMES.iter().zip(self.watchers) {
            let added = watcher.await_event("added", id);
            assert_eq!(added["gated"], true, "{name}: {added}");
            assert_eq!(watcher.events_of("added", id).len(), 1);
            assert!(moment(&self.real.scratch.join(name)) <= started, "{name}");
            assert_eq!(watcher.end(), "");
        }
    }
}

fn run_with_slow_hooks(runtime: &str) {
    let Some(slow) = Slow::new(runtime) else {
        return;
    };
    let id = slow.real.scratch.id("c");
    let bundle = slow.real.bundle("c", ": > /started");
    let command = slow.real.command().arg("run").arg("--bundle").arg(&bundle);
    command.arg(&id).deadline(PATIENCE * 2).run().success();
    slow.check(&id, &bundle.join("rootfs/started"));
}

#[test]
fn runc_run_with_slow_hooks() {
    run_with_slow_hooks("runc");
}

#[test]
fn crun_run_with_slow_hooks() {
    run_with_slow_hooks("crun");
}

#[test]
fn lxcri_run_with_slow_hooks() {
    run_with_slow_hooks("lxcri");
}

#[test]
fn youki_run_with_slow_hooks() {
    run_with_slow_hooks("youki");
}

fn lxc_with_slow_hooks(mode: &str) {
    let Some(slow) = Slow::new("lxc-start") else {
        return;
    };
    let id = slow.real.scratch.id("c");
    let root = slow.real.lxc(&id, ": > /started");
    let command = slow.real.command_of_lxc(&id).arg(mode);
    command.deadline(PATIENCE * 2).run().success();
    slow.check(&id, &root.join("started"));
}

#[test]
fn lxc_in_the_foreground_with_slow_hooks() {
    lxc_with_slow_hooks("-F");
}

#[test]
fn lxc_as_a_daemon_with_slow_hooks() {
    lxc_with_slow_hooks("-d");
}
