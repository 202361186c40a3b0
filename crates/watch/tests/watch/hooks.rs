//! Hooks: which run, with what, and what follows from their failures.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use lxcri_tests::command::wait_until;
use serde_json::{Value, json};

use crate::fake::{Fake, FakeContainer};
use crate::watcher::{PATIENCE, Watcher};

/// Starts a container and ends it; both have been seen when this returns.
fn life(fake: &Fake, watcher: &Watcher, container: &mut FakeContainer) {
    container.start().expect("execve");
    watcher.await_event("added", &container.id);
    container.kill();
    watcher.await_event("removed", &container.id);
    // Poststop hooks run after the event.
    wait_until(Duration::from_secs(20), || {
        fake.lines().iter().any(|l| l.contains("stopped"))
    });
}

#[test]
fn the_state_is_the_specs() {
    let Some(fake) = Fake::new() else { return };
    let log = fake.log().display().to_string();
    let hook = fake.hook("hook", &format!("echo \"$STATE\" >> {log}"));
    let watcher = Watcher::start(fake.with(&["--prestart", &hook, "--poststop", &hook]));
    let mut container = fake.container("c");
    life(&fake, &watcher, &mut container);
    watcher.end();
    let states: Vec<Value> = fake
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let mut expected = json!({
        "ociVersion": "1.1.0",
        "id": container.id,
        "status": "created",
        "pid": container.pid(),
        "bundle": container.bundle,
        "annotations": {"test.name": "c"},
    });
    assert_eq!(states[0], expected);
    expected["status"] = "stopped".into();
    expected.as_object_mut().expect("object").remove("pid");
    assert_eq!(states[1], expected);
}

#[test]
fn arguments_environment_and_directory() {
    let Some(fake) = Fake::new() else { return };
    let log = fake.log().display().to_string();
    let hook = fake.hook(
        "hook",
        &format!("env >> {log}; echo \"$0 $# $1 $2 $PWD\" >> {log}"),
    );
    let command = format!("{hook} 'a b' \"c\"");
    let directory = fake.scratch.mkdir("dir").display().to_string();
    let watcher = Watcher::start(fake.with(&[
        "--prestart",
        &command,
        "--env",
        "A=1 2",
        "--env",
        "PATH=/bin",
        "--dir",
        &directory,
    ]));
    let mut container = fake.container("c");
    container.start().expect("execve");
    container.kill();
    watcher.end();
    let mut lines = fake.lines();
    lines.retain(|line| {
        !line.starts_with("PWD=") && !line.starts_with("_=") && !line.starts_with("SHLVL=")
    });
    let last = lines.pop();
    assert_eq!(last, Some(format!("{hook} 2 a b c {directory}")));
    lines.sort();
    assert_eq!(lines, ["A=1 2", "PATH=/bin"]);
}

#[test]
fn a_slow_hook_delays_no_other_container() {
    let Some(fake) = Fake::new() else { return };
    let log = fake.log().display().to_string();
    let hook = fake.hook(
        "hook",
        &format!("echo \"$ID\" >> {log}; case $ID in *slow) sleep 3600 ;; esac"),
    );
    let watcher = Watcher::start(fake.with(&["--timeout", "40s", "--prestart", &hook]));
    let mut slow = fake.container("slow");
    thread::scope(|scope| {
        let held = scope.spawn(|| {
            let began = Instant::now();
            slow.start().expect("execve");
            began.elapsed()
        });
        assert!(wait_until(PATIENCE, || fake.lines().len() == 1));
        for n in 0..10 {
            let quick = fake.container(&format!("quick{n}"));
            quick.start().expect("execve");
        }
        assert!(!held.is_finished(), "the slow one is still held");
        watcher.signal(
            crate::watcher::Role::Worker,
            nix::sys::signal::Signal::SIGKILL,
        );
        held.join().expect("thread")
    });
    slow.kill();
    watcher.end();
}

#[test]
fn a_failing_hook_denies_or_does_not() {
    let Some(fake) = Fake::new() else { return };
    let hook = fake.hook("hook", "echo no such network >&2; exit 3");
    for (policy, denied) in [("allow", false), ("deny", true)] {
        let watcher = Watcher::start(fake.with(&["--on-failure", policy, "--prestart", &hook]));
        let container = fake.container(policy);
        let result = container.start();
        let is_denied = result.is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied);
        assert_eq!(is_denied, denied, "{policy}");
        let errors = watcher.end();
        let expected = format!("prestart hook #1 ({hook}): exit status 3");
        assert!(
            errors.contains(&expected) && errors.contains("no such network"),
            "{errors}"
        );
    }
}

/// A pipe that nobody reads would fill, and whoever writes to it would be killed by SIGPIPE.
#[test]
fn a_hook_need_not_read_its_state() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.with(&["--on-failure", "deny", "--prestart", "/bin/true"]));
    let container = fake.container("c");
    let annotations = json!({"large": "x".repeat(1 << 20)});
    let config = json!({"process": {"args": ["/x"]}, "annotations": annotations});
    fs::write(container.bundle.join("config.json"), config.to_string()).expect("config.json");
    container.start().expect("not denied");
    assert_eq!(watcher.end(), "");
}

/// The hook's own execution is held like any other, and somebody else must be there to let it go.
#[test]
fn a_hook_may_execute_what_is_marked() {
    let Some(fake) = Fake::new() else { return };
    let runtime = fake.runtime.display().to_string();
    let log = fake.log().display().to_string();
    let hook = fake.hook(
        "hook",
        &format!("{runtime} state x; {runtime} start y; echo $? >> {log}"),
    );
    let watcher = Watcher::start(fake.with(&["--timeout", "50s", "--prestart", &hook]));
    let container = fake.container("c");
    let took = container.start().expect("execve");
    assert!(took < Duration::from_secs(30), "{took:?}");
    // 127: executed, and there is no such applet.
    assert_eq!(fake.lines(), ["127"]);
    watcher.end();
}

#[test]
fn declarative_hooks_are_chosen_by_their_conditions() {
    let Some(fake) = Fake::new() else { return };
    let log = fake.log().display().to_string();
    let directory = fake.scratch.mkdir("hooks.d");
    for (name, when) in [
        ("mine", json!({"annotations": {"^test\\.name$": "^c$"}})),
        ("other", json!({"annotations": {"^test\\.name$": "^d$"}})),
        ("command", json!({"commands": ["^/bin/x$"]})),
    ] {
        let path = fake.hook(name, &format!("echo \"{name} $1 $STATUS\" >> {log}"));
        let hook = json!({
            "version": "1.0.0",
            "hook": {"path": path, "args": [path, "one"]},
            "when": when,
            "stages": ["prestart", "poststop", "createContainer"],
        });
        fs::write(directory.join(format!("{name}.json")), hook.to_string()).expect("hook");
    }
    let watcher = Watcher::start(fake.with(&["--hooks-dir", directory.to_str().expect("UTF-8")]));
    let mut container = fake.container("c");
    life(&fake, &watcher, &mut container);
    wait_until(PATIENCE, || fake.lines().len() >= 4);
    watcher.end();
    let expected = [
        "command one created",
        "mine one created",
        "command one stopped",
        "mine one stopped",
    ];
    assert_eq!(fake.lines(), expected);
}

#[test]
fn a_broken_declaration_counts_as_a_failing_hook() {
    let Some(fake) = Fake::new() else { return };
    let directory = fake.scratch.mkdir("hooks.d");
    fs::write(directory.join("broken.json"), "{").expect("write");
    let directory = directory.to_str().expect("UTF-8");
    let watcher = Watcher::start(fake.with(&["--on-failure", "deny", "--hooks-dir", directory]));
    let container = fake.container("c");
    assert!(
        container
            .start()
            .is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
    );
    let errors = watcher.end();
    assert!(errors.contains("broken.json"), "{errors}");
}
