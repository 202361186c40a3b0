//! The kill sweep: `create`, `start` and `delete` are killed at many moments. Afterwards `state` tells the truth, and
//! `delete --force` leaves no process, mount, cgroup or directory.
//!
//! LXCRI_TEST_SWEEP is the number of moments for each command. For other runtimes the result is printed.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{Cmd, Running, wait_until};
use lxcri_tests::container::Container;
use lxcri_tests::phase::PHASES;
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// A command that is killed.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Verb {
    Create,
    Start,
    Delete,
}

/// Which of the command's processes are killed.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Victim {
    /// The command itself.
    Command,
    /// All its children, but not itself: it must notice.
    Children,
}

impl Victim {
    fn kill(self, running: &Running) {
        match self {
            Victim::Command => running.signal(Signal::SIGKILL),
            Victim::Children => {
                for pid in leaks::children(running.pid()) {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
            }
        }
    }
}

/// A container that has come as far as `verb` needs.
fn prepare<'a>(
    runtime: &'a Runtime,
    scratch: &Scratch,
    bundle: &'a mut Bundle<'_>,
    verb: Verb,
) -> Container<'a> {
    for phase in &PHASES {
        let path = bundle.probe_as(phase.name, |o| o);
        bundle.hook(phase, json!({"path": path, "timeout": 20}));
    }
    bundle.shell("sleep 600");
    let container = Container::new(runtime, scratch, bundle, "c");
    if verb != Verb::Create {
        container.create().success();
    }
    if verb == Verb::Delete {
        container.start().success();
        container.kill("KILL").success();
        assert!(container.wait_for("stopped"));
    }
    container
}

fn command(container: &Container<'_>, verb: Verb) -> Cmd {
    match verb {
        Verb::Create => container.creation(),
        Verb::Start => container.verb("start"),
        Verb::Delete => container.verb("delete"),
    }
}

/// How long the command takes when nobody kills it.
fn duration(runtime: &Runtime, verb: Verb) -> Duration {
    let all = (0..3).map(|_| {
        let scratch = Scratch::new();
        let mut bundle = Bundle::new(&scratch, Image::Busybox);
        let container = prepare(runtime, &scratch, &mut bundle, verb);
        command(&container, verb).run().success().took
    });
    all.max().unwrap_or_default()
}

/// Kills after `delay`; the result is what is wrong afterwards.
fn kill_after(
    runtime: &Runtime,
    verb: Verb,
    victim: Victim,
    delay: Duration,
) -> Result<(), String> {
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    let rootfs = bundle.rootfs();
    let mut container = prepare(runtime, &scratch, &mut bundle, verb);
    let began = Instant::now();
    let running = command(&container, verb).spawn();
    sleep(delay.saturating_sub(began.elapsed()));
    victim.kill(&running);
    let outcome = running.wait();
    if outcome.timed_out {
        return Err("the command hangs".into());
    }
    settled_truth(&container, verb)?;
    let force = container.delete_force();
    let unknown = force.stderr.contains("does not exist");
    if !force.ok() && !unknown {
        return Err(format!("delete --force: {}", force.brief()));
    }
    container.forget();
    let leaks = leaks::left_behind(scratch.marker());
    if !leaks.is_empty() {
        return Err(format!("left behind: {leaks:?}"));
    }
    if container.is_on_disk() {
        return Err("its directory is left".into());
    }
    if rootfs.join(".lxcri").exists() {
        return Err("/.lxcri is left in the root file system".into());
    }
    if container.state().is_some() {
        return Err("state still knows it".into());
    }
    Ok(())
}

/// Whether the state is true, at the latest when everything has come to rest: what the killed command had set in motion
/// may go on for a moment.
fn settled_truth(container: &Container<'_>, verb: Verb) -> Result<(), String> {
    let mut result = Ok(());
    wait_until(Duration::from_secs(10), || {
        result = truth(container, verb);
        // A command that hangs does not come to rest.
        result
            .as_ref()
            .err()
            .is_none_or(|problem| problem.contains("still running"))
    });
    result
}

/// Whether the state is true now. Nothing that is half done may be called created or running.
fn truth(container: &Container<'_>, verb: Verb) -> Result<(), String> {
    let outcome = container.verb("state").run();
    if outcome.timed_out {
        return Err("state hangs".into());
    }
    if !outcome.ok() {
        // Unknown, which is true only if nothing of it was there before the command.
        let lines = outcome.stderr.lines().count();
        return match verb {
            Verb::Start => Err(format!("state: {}", outcome.brief())),
            _ if lines == 1 => Ok(()),
            _ => Err(format!("state says {lines} lines: {}", outcome.error())),
        };
    }
    let state: Value = serde_json::from_str(&outcome.stdout).map_err(|e| format!("state: {e}"))?;
    let pid = state["pid"].as_i64().filter(|&pid| pid > 0);
    let alive = pid.is_some_and(|pid| is_alive(pid, container));
    match state["status"].as_str().unwrap_or_default() {
        "created" if !alive => Err(format!("created, but pid {pid:?} is not its init")),
        "created" => {
            // It must be a whole container: it can be started.
            let start = container.start();
            if start.ok() {
                Ok(())
            } else {
                Err(format!("created, but start: {}", start.brief()))
            }
        }
        "running" if alive => Ok(()),
        "running" => Err(format!("running, but pid {pid:?} is not its init")),
        "stopped" | "creating" if alive && verb == Verb::Delete => {
            Err("stopped, but it lives".into())
        }
        "stopped" | "creating" => Ok(()),
        other => Err(format!("status {other:?}")),
    }
}

/// Whether the process lives in the container's cgroup.
fn is_alive(pid: i64, container: &Container<'_>) -> bool {
    let base = format!("/proc/{pid}");
    let stat = fs::read_to_string(format!("{base}/stat")).unwrap_or_default();
    let zombie = stat
        .rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with('Z'));
    !zombie
        && fs::read_to_string(format!("{base}/cgroup"))
            .is_ok_and(|table| table.contains(&container.id))
}

fn sweep(verb: Verb, victim: Victim) {
    let Some(runtime) = need::runtime() else {
        return;
    };
    let moments = need::count("LXCRI_TEST_SWEEP", 40);
    let whole = duration(runtime, verb);
    let mut problems = Vec::new();
    for n in 0..moments {
        // A little beyond the usual end as well.
        let delay = whole.mul_f64(1.1 * n as f64 / moments as f64);
        if let Err(problem) = kill_after(runtime, verb, victim, delay) {
            problems.push(format!(
                "{verb:?}, {victim:?} killed after {} µs: {problem}",
                delay.as_micros()
            ));
        }
    }
    let text = problems.join("\n");
    println!(
        "{verb:?}, {victim:?} killed at {moments} moments of {} ms: {} problems\n{text}",
        whole.as_millis(),
        problems.len()
    );
    assert!(problems.is_empty() || !runtime.is_lxcri(), "{text}");
}

#[test]
fn create_killed() {
    sweep(Verb::Create, Victim::Command);
}

#[test]
fn start_killed() {
    sweep(Verb::Start, Victim::Command);
}

#[test]
fn delete_killed() {
    sweep(Verb::Delete, Victim::Command);
}

#[test]
fn children_of_create_killed() {
    sweep(Verb::Create, Victim::Children);
}

#[test]
fn children_of_delete_killed() {
    sweep(Verb::Delete, Victim::Children);
}
