//! What a hook costs above a bare vfork, execve and wait of the same static program.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::find_program;
use lxcri_tests::container::Container;
use lxcri_tests::phase::{PHASES, Phase};
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use serde_json::json;

use crate::median;

const HOOKS: usize = 50;

/// Measures and prints one table.
pub fn print(runtimes: &[Runtime], rounds: usize) {
    let Some(busybox) = find_program("busybox") else {
        return;
    };
    let phases = ["createRuntime", "createContainer", "startContainer"];
    let phases: Vec<&Phase> = PHASES.iter().filter(|p| phases.contains(&p.name)).collect();
    let mut bare: Vec<Duration> = Vec::new();
    // For each runtime and phase: a life with hooks less the life without them of the same round.
    let mut costs = vec![vec![Vec::new(); phases.len()]; runtimes.len()];
    let mut failures = vec![None; runtimes.len()];
    for _ in 0..rounds {
        bare.extend(bare_runs(&busybox));
        for (r, runtime) in runtimes.iter().enumerate() {
            let none = life(runtime, None);
            for (p, phase) in phases.iter().enumerate() {
                match (&none, &life(runtime, Some(phase))) {
                    (Ok(none), Ok(with)) => {
                        costs[r][p].push(with.saturating_sub(*none) / HOOKS as u32)
                    }
                    (Err(e), _) | (_, Err(e)) => failures[r] = Some(e.clone()),
                }
            }
        }
    }
    let bare = median(&mut bare);
    println!(
        "\none of {HOOKS} hooks above a bare vfork + execve + wait ({} µs), median of {rounds}, µs\n",
        bare.as_micros()
    );
    println!(
        "  {:<8} {}",
        "",
        phases
            .iter()
            .map(|p| format!("{:>16}", p.name))
            .collect::<String>()
    );
    let mut own: Vec<Option<f64>> = vec![None; phases.len()];
    for (r, runtime) in runtimes.iter().enumerate() {
        let mut cells = String::new();
        for (p, times) in costs[r].iter_mut().enumerate() {
            // crun now and then fails when a hook does not read its stdin; the rounds without that count.
            if times.is_empty() {
                cells += &format!("{:>16}", "-");
                continue;
            }
            let cost = (median(times).as_secs_f64() - bare.as_secs_f64()) * 1e6;
            cells += &match own[p] {
                Some(own) => format!("{cost:>8.0} ({:>5.2})", own / cost),
                None => format!("{cost:>8.0}        "),
            };
            own[p].get_or_insert(cost);
        }
        println!("  {:<8} {cells}", runtime.name());
        if let Some(failure) = &failures[r] {
            println!("           failed in some rounds: {failure:.70}");
        }
    }
    println!("  in parentheses: lxcri's figure as part of this one");
}

/// Of a fresh copy like those that the containers use: how a file lies in the page cache matters for the time of execve.
fn bare_runs(busybox: &Path) -> Vec<Duration> {
    let scratch = Scratch::new();
    let program = scratch.join("busybox");
    if std::fs::copy(busybox, &program).is_err() {
        return Vec::new();
    }
    let mut command = Command::new(&program);
    command
        .arg("true")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let run = |_| {
        let began = Instant::now();
        command
            .status()
            .ok()
            .filter(|s| s.success())
            .map(|_| began.elapsed())
    };
    (0..HOOKS).filter_map(run).collect()
}

/// The time of a whole life, with hooks in one phase.
fn life(runtime: &Runtime, phase: Option<&Phase>) -> Result<Duration, String> {
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    // The same path on both sides.
    let path = scratch.join("hooks/busybox");
    for side in ["hooks", "inside"] {
        std::fs::copy(
            bundle.rootfs().join("bin/busybox"),
            scratch.join(side).join("busybox"),
        )
        .map_err(|e| e.to_string())?;
    }
    if let Some(phase) = phase {
        for _ in 0..HOOKS {
            bundle.hook(
                phase,
                json!({"path": path, "args": ["busybox", "true"], "env": []}),
            );
        }
    }
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let outcome = container.running().run();
    if outcome.ok() {
        Ok(outcome.took)
    } else {
        Err(outcome.error())
    }
}
