//! The command `run`, and what becomes of the caller's stdio and signals.

use lxcri_tests::bundle::{Bundle, Image, PATIENT};
use lxcri_tests::command::{PATIENCE, wait_until};
use lxcri_tests::container::Container;
use lxcri_tests::phase::PHASES;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use nix::sys::signal::Signal;
use serde_json::json;

#[test]
fn run_passes_stdio_and_exit_status() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("cat; echo problem >&2; exit 7");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = container.running().stdin("input\n").run();
    assert_eq!(
        (
            outcome.code(),
            outcome.stdout.as_str(),
            outcome.stderr.as_str()
        ),
        (7, "input\n", "problem\n")
    );
    container.verb("state").run().failure();
    assert!(!container.is_on_disk());
    leaks::assert_none(scratch.marker());
}

/// Pipes belong to whoever made them; the process must be able to open /dev/stdout by its name all the same.
#[test]
fn an_ordinary_user_can_open_its_stdio_again() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("echo again > /proc/self/fd/1; echo problem > /proc/self/fd/2");
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = container.running().stdin("").run();
    assert_eq!(
        (outcome.stdout.as_str(), outcome.stderr.as_str()),
        ("again\n", "problem\n")
    );
}

#[test]
fn run_returns_128_and_the_signal() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell(PATIENT);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let running = container.running().spawn();
    assert!(wait_until(PATIENCE, || running.stdout_so_far() == "ready\n"));
    container.kill("KILL").success();
    assert_eq!(running.wait().code(), 128 + 9);
    leaks::assert_none(scratch.marker());
}

#[test]
fn run_forwards_signals() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    for signal in [
        Signal::SIGTERM,
        Signal::SIGUSR1,
        Signal::SIGPIPE,
        Signal::SIGURG,
    ] {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        bundle.shell(PATIENT);
        let container = Container::new(runtime, &scratch, &mut bundle, "c");
        let running = container.running().spawn();
        assert!(wait_until(PATIENCE, || running.stdout_so_far() == "ready\n"));
        running.signal(signal);
        assert_eq!(running.wait().code(), 42, "{signal}");
    }
}

/// Somebody who has started a container by hand and sees it hang in a hook.
#[test]
fn a_signal_ends_a_run_whose_hook_hangs() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let phase = PHASES.iter().find(|phase| phase.name == "startContainer");
    let path = bundle.probe_as("hangs", |o| o.with("sleep", 600_000));
    bundle.hook(phase.expect("a phase"), json!({"path": path}));
    bundle.shell(PATIENT);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let command = container.running().arg("--pid-file");
    let running = command.arg(&container.pid_file).spawn();
    let hook = || {
        let all = leaks::processes(scratch.marker());
        all.iter().any(|(_, line)| line.contains("hangs"))
    };
    assert!(wait_until(PATIENCE, hook));
    running.signal(Signal::SIGTERM);
    let outcome = running.wait();
    assert!(!outcome.timed_out);
    assert_eq!(outcome.code(), 1, "{}", outcome.stderr);
    assert!(!container.is_on_disk());
    assert!(!container.pid_file.exists(), "a pid that is nobody's");
    leaks::assert_none(scratch.marker());
}

#[test]
fn run_detached_returns_while_the_process_runs() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell(PATIENT);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let command = container
        .command()
        .args(["run", "--detach", "--pid-file"])
        .arg(&container.pid_file);
    command
        .arg("--bundle")
        .arg(container.bundle_path())
        .arg(&container.id)
        .run()
        .success();
    assert_eq!(container.status(), "running");
    assert_eq!(
        container.state().and_then(|s| s["pid"].as_i64()),
        container.pid().map(i64::from)
    );
    container.kill("KILL").success();
    assert!(container.wait_for("stopped"));
    container.delete().success();
    leaks::assert_none(scratch.marker());
}

#[test]
fn run_with_keep_leaves_a_stopped_container() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("exit 3");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let command = container
        .command()
        .args(["run", "--keep", "--bundle"])
        .arg(container.bundle_path())
        .arg(&container.id);
    assert_eq!(command.run().code(), 3);
    assert_eq!(container.status(), "stopped");
    container.delete().success();
    leaks::assert_none(scratch.marker());
}

#[test]
fn create_leaves_the_callers_output_to_the_process() {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("echo to-stdout; echo to-stderr >&2");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let create = container.create().success();
    container.start().success();
    assert!(container.wait_for("stopped"));
    assert_eq!(create.output_now(), ["to-stdout\n", "to-stderr\n"]);
}

#[test]
fn a_console_socket_is_refused_in_the_foreground() {
    let Some(runtime) = need::lxcri() else { return };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["process"]["terminal"] = true.into();
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = container
        .running()
        .args(["--console-socket", "/nonexistent/socket"])
        .run();
    assert!(
        !outcome.ok() && outcome.stderr.contains("--detach"),
        "{}",
        outcome.brief()
    );
    assert!(!scratch.join("run").join(&container.id).exists());
}
