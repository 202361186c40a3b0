//! The command line: events, forms, and what is refused.

use lxcri_tests::command::{Cmd, wait_until};
use lxcri_tests::need;

use crate::fake::Fake;
use crate::watcher::{PATIENCE, Watcher, program};

#[test]
fn events_of_choice() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.with(&["--events", "config,remove"]));
    let mut container = fake.container("c");
    container.start().expect("execve");
    let config = watcher.await_event("config", &container.id);
    assert_eq!(config["config"]["process"]["args"][0], "/bin/x", "{config}");
    container.kill();
    let removed = watcher.await_event("removed", &container.id);
    assert_eq!(removed["pid"], container.pid());
    assert!(watcher.events("added").is_empty());
    watcher.end();
}

#[test]
fn text_for_people() {
    let Some(fake) = Fake::new() else { return };
    let watcher = Watcher::start(fake.with(&["--format", "text"]));
    let container = fake.container("c");
    container.start().expect("execve");
    let (id, pid) = (&container.id, container.pid());
    let bundle = container.bundle.display();
    let expected = format!("added runc {id} pid {pid} bundle {bundle} gated\n");
    assert!(
        wait_until(PATIENCE, || watcher.output().ends_with(&expected)),
        "{}",
        watcher.output()
    );
    watcher.end();
}

#[test]
fn wrong_usage() {
    for (arguments, reason) in [
        (&["--timeout", "0s"][..], "not between"),
        (&["--timeout", "x"], "--timeout"),
        (&["--events", "started"], "started"),
        (&["--runtime", "/usr/bin/true"], "KIND=PATH"),
        (&["--runtime", "runc"], "not an absolute path"),
        (&["--root", "/run/x"], "KIND=DIR"),
        (&["--hooks-dir", "hooks.d"], "not an absolute path"),
        (&["--format", "xml"], "xml"),
        (&["--nonsense"], "--nonsense"),
        (&["--orders"], "stdin must be a pipe"),
    ] {
        let outcome = Cmd::new(program()).args(arguments).run();
        assert_eq!(outcome.code(), 2, "{outcome}");
        assert!(
            outcome.stderr.contains(reason),
            "{arguments:?}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn values_that_cannot_work_are_wrong_usage() {
    for (arguments, reason) in [
        (&["--env", "=x"][..], "--env \"=x\": not NAME=VALUE"),
        (&["--env", "x"], "--env \"x\": not NAME=VALUE"),
        (
            &["--dir", "/nonexistent"],
            "--dir /nonexistent: no directory",
        ),
        (&["--prestart", ""], "--prestart \"\": no program"),
        (
            &["--prestart", "/nonexistent x"],
            "--prestart \"/nonexistent x\": ",
        ),
        (&["--poststop", "'"], "--poststop \"'\": "),
        (&["--prestart", "no-such-program"], "no such program"),
    ] {
        let outcome = Cmd::new(program()).args(arguments).run().failure();
        assert_eq!(outcome.code(), 2, "{outcome}");
        assert!(
            outcome.stderr.contains(reason),
            "{arguments:?}: {}",
            outcome.stderr
        );
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    }
}

#[test]
fn without_privileges_it_says_which() {
    if !need::privileged() || !need::programs(&["setpriv", "unshare"]) {
        return;
    }
    let program = program().display().to_string();
    let without = |capability: &str| {
        let bounding = format!("--bounding-set=-{capability}");
        Cmd::new("setpriv")
            .args([&*bounding, &*program])
            .run()
            .failure()
            .stderr
    };
    let said = without("sys_admin");
    assert!(said.contains("CAP_SYS_ADMIN is missing"), "{said}");
    let said = without("sys_ptrace");
    assert!(said.contains("CAP_SYS_PTRACE is missing"), "{said}");
    let unshare = ["--pid", "--fork", "--mount-proc", &program];
    let said = Cmd::new("unshare").args(unshare).run().failure().stderr;
    assert!(said.contains("not in the initial pid namespace"), "{said}");
}

#[test]
fn completions_name_the_options() {
    let outcome = Cmd::new(program())
        .args(["completions", "bash"])
        .run()
        .success();
    assert!(outcome.stdout.contains("--on-failure"));
    let script = "exec \"$1\" completions bash > /dev/full";
    let outcome = Cmd::new("/bin/sh")
        .args(["-c", script, "sh"])
        .arg(program())
        .run();
    assert_eq!(outcome.code(), 1, "{outcome}");
    let expected = "lxcri-watch: write to stdout: No space left on device";
    assert!(outcome.stderr.starts_with(expected), "{outcome}");
}

/// Whoever reads the events may stop doing so.
#[test]
fn a_reader_that_stops_delays_nobody() {
    let Some(fake) = Fake::new() else { return };
    let pipe = fake.scratch.join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("mkfifo");
    let script = format!("exec \"$@\" > {} 2>/dev/null", pipe.display());
    let command = Cmd::new("/bin/sh")
        .args(["-c", &*script, "sh"])
        .arg(program())
        .args(fake.with(&["--events", "added,config"]));
    let running = command.deadline(PATIENCE * 2).spawn();
    let reader = std::fs::File::open(&pipe).expect("open");
    let mut first = [0; 8];
    std::io::Read::read_exact(&mut &reader, &mut first).expect("the first event");
    // Each event is larger than what a pipe takes.
    let large =
        serde_json::json!({"process": {"args": ["/x"]}, "annotations": {"a": "x".repeat(200_000)}});
    for n in 0..5 {
        let container = fake.container(&format!("c{n}"));
        std::fs::write(container.bundle.join("config.json"), large.to_string()).expect("write");
        container.start().expect("execve");
    }
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let outcome = running.wait();
    assert!(outcome.ok(), "{outcome}");
}
