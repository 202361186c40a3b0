//! The watcher ends while it holds starts and runs hooks.

use std::path::Path;
use std::thread;
use std::time::Duration;

use lxcri_tests::command::wait_until;
use lxcri_tests::leaks;
use nix::sys::signal::Signal;

use crate::fake::Fake;
use crate::watcher::{PATIENCE, Role, Watcher};

/// Far from the deadline of anything, on a loaded machine.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A watcher that gets `signal` while a prestart hook and a poststop hook run, both with a child that is not the shell's
/// last command.
fn ends_by(signal: Signal) {
    let Some(fake) = Fake::new() else { return };
    let log = fake.log().display().to_string();
    let hook = fake.hook(
        "hook",
        &format!("sleep 3600 & echo \"$STATUS $ID\" >> {log}; wait"),
    );
    let quiet = fake.hook("quiet", "true");
    let mut ended = fake.container("ended");
    ended.mark_started();
    let options = [
        "--timeout",
        "60s",
        "--poststop",
        &hook,
        "--prestart",
        &quiet,
    ];
    let options = fake.with(&[&options[..], &["--prestart", &hook]].concat());
    thread::sleep(Duration::from_millis(50));
    let watcher = Watcher::start(options);
    watcher.await_event("added", &ended.id);
    ended.kill();
    let held = fake.container("held");
    let children = [Role::Responder, Role::Worker].map(|role| watcher.pid(role));
    let took = thread::scope(|scope| {
        let start = scope.spawn(|| held.start());
        let both = wait_until(PATIENCE, || fake.lines().len() == 2);
        watcher.signal(Role::Supervisor, signal);
        let took = start.join().expect("thread").expect("execve");
        assert!(both, "{:?}", fake.lines());
        took
    });
    assert!(took < AT_ONCE, "{took:?}");
    // Waits for its end, which must have status 0; this second signal finds it ending or ended.
    watcher.end();
    for pid in children {
        assert!(
            !Path::new(&format!("/proc/{pid}")).exists(),
            "{pid} is left"
        );
    }
    drop((held, ended));
    let marker = fake.scratch.marker();
    wait_until(AT_ONCE, || leaks::processes(marker).is_empty());
    assert_eq!(leaks::processes(marker), [], "left over");
    // Nobody is asked any more.
    let took = fake.call(&["state", "x"]).expect("execve");
    assert!(took < AT_ONCE, "{took:?}");
}

#[test]
fn sigterm() {
    ends_by(Signal::SIGTERM);
}

#[test]
fn sigint() {
    ends_by(Signal::SIGINT);
}

#[test]
fn sighup() {
    ends_by(Signal::SIGHUP);
}
