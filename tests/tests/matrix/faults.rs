//! Checks of lives in which a hook fails, hangs, floods, or leaves a child behind.

use std::time::Duration;

use lxcri_tests::command::wait_until;
use lxcri_tests::leaks;
use lxcri_tests::phase::{PHASES, Phase, Place, Step};
use lxcri_tests::probe::Orders;
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use serde_json::json;

use crate::life::{self, Life, file_name, label};
use crate::table::{Report, hold, same};

const POSTSTOP: &Phase = &PHASES[5];
const MESSAGE: &str = "eth7: no such device";

/// One life per phase with its second hook failing.
pub fn failures(report: &mut Report, runtime: &Runtime) {
    for phase in &PHASES {
        let scratch = Scratch::new();
        let mut bundle = life::bundle(&scratch);
        for n in 1..=3 {
            life::add(&mut bundle, phase, n, json!({}), |orders| match n {
                2 => orders
                    .with("say-stderr", "first line")
                    .with("say-stderr", MESSAGE)
                    .with("exit", 3),
                _ => orders,
            });
        }
        if phase != POSTSTOP {
            life::add(&mut bundle, POSTSTOP, 1, json!({}), |orders| orders);
            life::add(&mut bundle, POSTSTOP, 2, json!({}), |orders| orders);
        }
        let life = life::live(runtime, &scratch, &mut bundle, &|cmd| cmd);
        let ran = life.hook(phase, 2).map(|_| ());
        let after = |result: Result<(), String>| ran.clone().and(result);
        report.check(
            "failure: command",
            phase,
            after(command_result(&life, phase)),
        );
        report.check("failure: next hook", phase, after(next_hook(&life, phase)));
        report.check("failure: destroyed", phase, after(destroyed(&life)));
        if phase.is_fatal() {
            let ran = life
                .hook(POSTSTOP, 1)
                .and(life.hook(POSTSTOP, 2))
                .map(|_| ());
            report.check("failure: poststop", phase, after(ran));
        }
        report.check(
            "failure: message",
            phase,
            after(message(&life, phase, &scratch)),
        );
    }
}

/// The command that runs the phase fails by itself; a poststop failure is no error of `delete`.
fn command_result(life: &Life, phase: &Phase) -> Result<(), String> {
    let outcome = life
        .outcome(phase)
        .ok_or_else(|| format!("not reached; {}", life.last_error()))?;
    hold(!outcome.timed_out, || outcome.brief())?;
    hold(outcome.ok() != phase.is_fatal(), || outcome.brief())
}

fn next_hook(life: &Life, phase: &Phase) -> Result<(), String> {
    let ran = life.hook(phase, 3).is_ok();
    hold(ran != phase.is_fatal(), || {
        if ran {
            "it ran".into()
        } else {
            "it did not run".into()
        }
    })
}

fn destroyed(life: &Life) -> Result<(), String> {
    life.survives.clone().map_or(Ok(()), Err)
}

/// stderr names phase, number, path and status, and has the end of what the hook said.
fn message(life: &Life, phase: &Phase, scratch: &Scratch) -> Result<(), String> {
    let outcome = life
        .outcome(phase)
        .ok_or_else(|| format!("not reached; {}", life.last_error()))?;
    let text = &outcome.stderr;
    let path = scratch
        .join("hooks")
        .join(file_name(phase, 2))
        .to_string_lossy()
        .into_owned();
    // Counting from 0 and from 1 are both in use.
    let number = text.contains("#1") || text.contains("#2");
    let parts = [
        (
            "phase",
            text.to_lowercase().contains(&phase.name.to_lowercase()),
        ),
        ("number", number),
        ("path", text.contains(&path)),
        ("status", text.contains("exit status 3")),
        ("stderr", text.contains(MESSAGE)),
    ];
    let missing: Vec<&str> = parts
        .iter()
        .filter(|(_, there)| !there)
        .map(|(name, _)| *name)
        .collect();
    hold(missing.is_empty(), || {
        format!("missing {}: {}", missing.join(", "), outcome.error())
    })
}

/// One life per phase with a hook that would sleep far beyond its timeout, and one in which its child would, too. They
/// only wait, so all run at the same time.
pub fn timeouts(report: &mut Report, runtime: &Runtime) {
    let alone =
        together(|phase| timeout_life(phase, runtime, |orders| orders.with("sleep", 300_000)));
    for (phase, (life, _)) in PHASES.iter().zip(alone) {
        let ran = life.hook(phase, 1);
        report.check(
            "timeout",
            phase,
            ran.clone().and_then(|_| timed_out(&life, phase)),
        );
        report.check(
            "timeout: destroyed",
            phase,
            ran.clone().and_then(|_| destroyed(&life)),
        );
        let env = ran.and_then(|r| same(r.texts("env"), vec!["LXT=1", "OCI_HOOK_TIMEOUT=3"]));
        report.check("timeout: env", phase, env);
    }
    let parents = together(|phase| {
        timeout_life(phase, runtime, |orders| {
            orders.with("grandchild", 300_000).with("sleep", 300_000)
        })
    });
    for (phase, (life, left)) in PHASES.iter().zip(parents) {
        let in_time = life.hook(phase, 1).and_then(|_| timed_out(&life, phase));
        report.check("timeout: with child", phase, in_time);
        let gone = life.hook(phase, 1).and_then(|_| {
            hold(left.is_empty(), || {
                format!("{} of its processes still run", left.len())
            })
        });
        report.check("timeout: child killed", phase, gone);
    }
}

/// The life and the processes of the hook that are left after it.
fn timeout_life(
    phase: &Phase,
    runtime: &Runtime,
    orders: impl Fn(Orders) -> Orders,
) -> (Life, Vec<(i32, String)>) {
    let scratch = Scratch::new();
    let mut bundle = life::bundle(&scratch);
    life::add(
        &mut bundle,
        phase,
        1,
        json!({"timeout": 3, "env": ["LXT=1"]}),
        orders,
    );
    let life = life::live(runtime, &scratch, &mut bundle, &|cmd| {
        cmd.deadline(Duration::from_secs(40))
    });
    // The command line of hook and child is the hook's path.
    let path = scratch.join("hooks").join(file_name(phase, 1));
    let mut left = Vec::new();
    wait_until(Duration::from_secs(10), || {
        left = leaks::processes(&path.to_string_lossy());
        left.is_empty()
    });
    (life, left)
}

fn together<T: Send>(work: impl Fn(&'static Phase) -> T + Sync) -> Vec<T> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = PHASES
            .iter()
            .map(|phase| scope.spawn(move || work(phase)))
            .collect();
        // A panic in a thread is passed on, so that it is a failed test.
        threads
            .into_iter()
            .map(|t| {
                t.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn timed_out(life: &Life, phase: &Phase) -> Result<(), String> {
    command_result(life, phase)?;
    hold(life.records.get("end", &label(phase, 1)).is_none(), || {
        "the hook ran to its end".into()
    })?;
    let took = life.outcome(phase).map(|o| o.took).unwrap_or_default();
    let range = Duration::from_millis(2900)..Duration::from_secs(30);
    hold(range.contains(&took), || {
        format!("the command took {} ms", took.as_millis())
    })
}

/// One life in which each phase has a hook that prints a megabyte on both streams before it succeeds.
pub fn flood(report: &mut Report, runtime: &Runtime) {
    let scratch = Scratch::new();
    let mut bundle = life::bundle(&scratch);
    life::add_everywhere(&mut bundle, 1, |orders| {
        orders
            .with("fill-stdout", 1 << 20)
            .with("fill-stderr", 1 << 20)
    });
    let life = life::live(runtime, &scratch, &mut bundle, &|cmd| cmd);
    for phase in &PHASES {
        report.check("flood of output", phase, passed(&life, phase));
    }
}

/// One life in which hooks ignore or close a stdin that is larger than a pipe holds, and the last one reads it.
pub fn stdin(report: &mut Report, runtime: &Runtime) {
    let scratch = Scratch::new();
    let mut bundle = life::bundle(&scratch);
    let large = "x".repeat(200_000);
    bundle.config["annotations"] = json!({"org.lxcri.test.large": large});
    for (n, what) in [(1, "ignore"), (2, "close"), (3, "read")] {
        life::add_everywhere(&mut bundle, n, |orders| orders.with("stdin", what));
    }
    let life = life::live(runtime, &scratch, &mut bundle, &|cmd| cmd);
    for phase in &PHASES {
        let whole = life.hook(phase, 3).and_then(|record| {
            let size = record.text("stdin").len();
            hold(size > large.len() && record.0["stdin_eof"] == true, || {
                format!("the last hook read {size} bytes")
            })
        });
        report.check("stdin unread", phase, passed(&life, phase).and(whole));
    }
}

fn passed(life: &Life, phase: &Phase) -> Result<(), String> {
    life.hook(phase, 1)?;
    life.records
        .get("end", &label(phase, 1))
        .ok_or_else(|| format!("the hook did not end; {}", life.last_error()))?;
    let outcome = life.outcome(phase).ok_or("not reached")?;
    hold(outcome.ok(), || outcome.brief())
}

/// One life in which each phase has a hook that ends but leaves a child with its stdout and stderr.
pub fn grandchildren(report: &mut Report, runtime: &Runtime) {
    let scratch = Scratch::new();
    let mut bundle = life::bundle(&scratch);
    life::add_everywhere(&mut bundle, 1, |orders| orders.with("grandchild", 10_000));
    life::add_everywhere(&mut bundle, 2, |orders| orders);
    let life = life::live(runtime, &scratch, &mut bundle, &|cmd| cmd);
    for phase in &PHASES {
        let waited = || -> Result<(), String> {
            let end = life
                .records
                .get("end", &label(phase, 1))
                .ok_or_else(|| life.last_error())?;
            let next = life.hook(phase, 2)?;
            let ms = (next.number("mono_ns") - end.number("mono_ns")) / 1_000_000;
            hold(ms < 5000, || {
                format!("the next hook began {ms} ms after the first had ended")
            })
        };
        report.check("child keeps stdout", phase, waited());
    }
}

/// One life in the caller's pid namespace: the state's pid is the same number for every hook.
pub fn shared_pid_namespace(report: &mut Report, runtime: &Runtime) {
    let scratch = Scratch::new();
    let mut bundle = life::bundle(&scratch);
    bundle.without_namespace("pid");
    life::add_everywhere(&mut bundle, 1, |orders| orders.with("stdin", "read"));
    let life = life::live(runtime, &scratch, &mut bundle, &|cmd| cmd);
    for phase in PHASES
        .iter()
        .filter(|p| p.place != Place::Runtime || p.step == Step::Create)
    {
        let pid = life.hook(phase, 1).and_then(|record| {
            let state: serde_json::Value =
                serde_json::from_str(record.text("stdin")).map_err(|e| e.to_string())?;
            same(state["pid"].as_i64(), life.pid.map(i64::from))
        });
        report.check("pid, shared ns", phase, pid);
    }
}
