//! SIGINT, SIGTERM, SIGHUP and SIGQUIT to a command while hooks run.

use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::thread::sleep;
use std::time::Duration;

use lxcri_tests::bundle::{Bundle, Image, PATIENT};
use lxcri_tests::command::{Cmd, Outcome, PATIENCE, Running, wait_until};
use lxcri_tests::container::Container;
use lxcri_tests::phase::{PHASES, Step};
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use nix::sys::signal::Signal;
use nix::sys::socket::{Backlog, listen};
use serde_json::{Value, json};

/// A bundle whose first hook of this phase ends only when it is killed, followed by another, and a poststop hook.
fn bundle<'a>(scratch: &'a Scratch, phase: &str) -> Bundle<'a> {
    let mut bundle = Bundle::new(scratch, Image::Busybox);
    let phase = PHASES.iter().find(|p| p.name == phase).expect("a phase");
    let hangs = bundle.probe_as("hangs", |o| o.with("sleep", 600_000));
    bundle.hook(phase, json!({"path": hangs}));
    let another = bundle.probe_as("another", |o| o);
    bundle.hook(phase, json!({"path": another}));
    let poststop = bundle.probe_as("poststop", |o| o);
    bundle.hook(&PHASES[5], json!({"path": poststop}));
    bundle.shell(PATIENT);
    bundle
}

/// Waits until the hook hangs, then sends the signal to the process group, as a terminal does.
fn interrupt(scratch: &Scratch, running: &Running, signal: Signal) {
    let hangs = || {
        let all = leaks::processes(scratch.marker());
        all.iter().any(|(_, line)| line.contains("hangs"))
    };
    assert!(wait_until(PATIENCE, hangs), "{}", running.stderr_so_far());
    running.signal_group(signal);
}

fn logged(command: Cmd, scratch: &Scratch) -> Cmd {
    command.arg("--hooks-log").arg(scratch.join("hooks.log"))
}

/// The records of the hooks that ran: phase, index, signal.
fn records(scratch: &Scratch) -> Vec<(String, i64, Option<i64>)> {
    let text = fs::read_to_string(scratch.join("hooks.log")).unwrap_or_default();
    let lines = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("a record");
        let number = |key: &str| line[key].as_i64();
        let phase = line["phase"].as_str().unwrap_or_default().to_owned();
        (phase, number("index").unwrap_or_default(), number("signal"))
    });
    lines.collect()
}

/// The command failed, its error names signal and hook, everything is gone, and the poststop hook ran.
fn assert_taken_back(outcome: &Outcome, scratch: &Scratch, phase: &str, signal: Signal) {
    assert!(!outcome.timed_out, "{phase}: {outcome}");
    assert_eq!(outcome.code(), 1, "{phase}: {outcome}");
    let error = format!("lxcri: interrupted by {signal}: {phase} hook #1 (");
    assert!(outcome.stderr.starts_with(&error), "{phase}: {outcome}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{phase}: {outcome}");
    let killed = (phase.to_owned(), 1, Some(9));
    let poststop = ("poststop".to_owned(), 1, None);
    assert_eq!(records(scratch), [killed, poststop], "{phase}: {outcome}");
    leaks::assert_none(scratch.marker());
}

fn in_every_phase(runtime: &Runtime, signal: Signal, foreground: bool) {
    for phase in PHASES.iter().filter(|phase| phase.is_fatal()) {
        let scratch = Scratch::new();
        let mut bundle = bundle(&scratch, phase.name);
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let command = match (foreground, phase.step) {
            (true, _) => container.running(),
            (false, Step::Create) => container.creation(),
            (false, _) => {
                logged(container.creation(), &scratch).run().success();
                container.verb("start")
            }
        };
        let running = logged(command, &scratch).spawn();
        interrupt(&scratch, &running, signal);
        assert_taken_back(&running.wait(), &scratch, phase.name, signal);
        assert!(!container.is_on_disk(), "{}", phase.name);
    }
}

#[test]
fn one_to_run_ends_the_hook_of_every_phase() {
    let Some(runtime) = need::lxcri() else { return };
    in_every_phase(runtime, Signal::SIGINT, true);
}

#[test]
fn one_to_create_or_start_ends_the_hook_of_every_phase() {
    let Some(runtime) = need::lxcri() else { return };
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        in_every_phase(runtime, signal, false);
    }
}

/// Others are the program's, and come to it when it runs.
#[test]
fn another_does_not_end_a_hook() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let hook = bundle.probe_as("hangs", |o| o.with("wait-for", "/tmp/go"));
    bundle.hook(&PHASES[3], json!({"path": hook}));
    // What is blocked while the program begins would be lost to its handler.
    bundle.shell("trap 'exit 42' USR1; while :; do sleep 0.1; done");
    let go = bundle.rootfs().join("tmp/go");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let running = logged(container.running(), &scratch).spawn();
    interrupt(&scratch, &running, Signal::SIGUSR1);
    fs::write(go, "").expect("a file in the container");
    let outcome = running.wait();
    // It may come before the handler is there.
    assert!(
        [42, 128 + libc::SIGUSR1].contains(&outcome.code()),
        "{outcome}"
    );
    assert_eq!(records(&scratch), [("startContainer".to_owned(), 1, None)]);
    leaks::assert_none(scratch.marker());
}

/// Whether hooks run at that moment or not.
#[test]
fn one_at_any_moment_leaves_all_or_nothing() {
    let Some(runtime) = need::lxcri() else { return };
    let mut interrupted = 0;
    for moment in 0..80 {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        for phase in &PHASES {
            let path = bundle.probe_as(phase.name, |o| o);
            bundle.hook(phase, json!({"path": path}));
        }
        bundle.shell("sleep 600");
        let mut container = Container::new(runtime, &scratch, &mut bundle, "c");
        let running = container.running().arg("--detach").spawn();
        sleep(Duration::from_micros(moment * 500));
        running.signal(Signal::SIGTERM);
        let outcome = running.wait();
        if outcome.ok() {
            assert_eq!(container.status(), "running", "{moment}: {outcome}");
            container.delete_force().success();
            container.forget();
        }
        let error = &outcome.stderr;
        let signal = outcome.status.and_then(|status| status.signal());
        match outcome.code() {
            1 if error.starts_with("lxcri: interrupted by SIGTERM: ") => interrupted += 1,
            // Not yet begun, or already done.
            _ if signal == Some(libc::SIGTERM) || outcome.ok() => {}
            _ => panic!("{moment}: {outcome}"),
        }
        assert!(!container.is_on_disk(), "{moment}: {outcome}");
        leaks::assert_none(scratch.marker());
    }
    assert!(interrupted > 0);
}

/// Who asks a second time does not want to wait for the poststop hooks either.
#[test]
fn a_second_one_ends_the_command_itself() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = bundle(&scratch, "createRuntime");
    let go = scratch.join("out/go");
    let slow = bundle.probe_as("slow", |o| o.with("wait-for", go.display()));
    bundle.hook(&PHASES[5], json!({"path": slow}));
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let running = container.running().spawn();
    interrupt(&scratch, &running, Signal::SIGINT);
    let slow = || {
        let all = leaks::processes(scratch.marker());
        all.iter().any(|(_, line)| line.contains("slow"))
    };
    assert!(wait_until(PATIENCE, slow), "{}", running.stderr_so_far());
    running.signal(Signal::SIGINT);
    let outcome = running.wait();
    assert!(!outcome.timed_out, "{outcome}");
    let signal = outcome.status.and_then(|status| status.signal());
    assert_eq!(signal, Some(libc::SIGINT), "{outcome}");
    assert_eq!(container.status(), "stopped");
    fs::write(go, "").expect("a file");
    container.delete().success();
    leaks::assert_none(scratch.marker());
}

/// An engine that does not accept the terminal.
#[test]
fn a_console_socket_that_nobody_serves() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["process"]["terminal"] = json!(true);
    let socket = scratch.join("console");
    let listener = UnixListener::bind(&socket).expect("a socket");
    listen(&listener, Backlog::new(0).expect("a backlog")).expect("listen");
    let _waiting = UnixStream::connect(&socket).expect("the only place in its queue");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let create = container.creation().arg("--console-socket").arg(&socket);
    let outcome = create.run().failure();
    assert!(!outcome.timed_out, "{outcome}");
    assert!(outcome.stderr.contains("console socket"), "{outcome}");
    assert!(outcome.stderr.contains("accepted"), "{outcome}");
    leaks::assert_none(scratch.marker());
}
