//! What an idle container holds: processes beside its own, their memory, and roughly what the machine has less.

use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lxcri_tests::command::wait_until;
use lxcri_tests::leaks;

use crate::bench::Bench;
use crate::goals;
use crate::programs::{Kind, Program, View, reason};
use crate::sample::Sample;
use crate::sys;

/// Containers that idle at the same time.
const CONTAINERS: usize = 20;

/// The command line of a container's own process.
const IDLE: &str = "/bin/true pause";

/// What is left to the kernel after containers before memory is read: network namespaces are removed in the background.
const SETTLE: Duration = Duration::from_millis(400);

struct Figures {
    /// Processes that are not a container's own.
    others: Vec<String>,
    /// Their proportional share of memory, KiB.
    pss: u64,
    /// What one container's own process shows, KiB.
    own_pss: u64,
    /// What the kernel took more for each container and what MemAvailable lost, KiB, with everything else that happened on the
    /// machine.
    machine: [Sample; 2],
}

/// Measures each program on the machine as it is.
pub fn measure(bench: &Bench, rounds: usize) -> Result<()> {
    let host = View::host()?;
    println!(
        "\nMemory of an idle container: {CONTAINERS} at once, {rounds} rounds, KiB per container"
    );
    println!(
        "  {:<16}{:>16}{:>11}{:>9}{:>13}{:>15}",
        "", "other processes", "their PSS", "own PSS", "kernel, ca.", "available, ca."
    );
    let mut goal = None;
    let kinds = [Kind::Lxcri, Kind::Lxc, Kind::Runc, Kind::Crun];
    for kind in kinds {
        let program = bench.program(kind)?;
        let (view, refusal) = bench.view_for(program, &host)?;
        let Some(view) = view else {
            println!(
                "  {:<16}does not run: {}",
                kind.word(),
                refusal.unwrap_or_default()
            );
            continue;
        };
        let mut figures: Option<Figures> = None;
        for _ in 0..rounds {
            let mut next = round(bench, program, &view)?;
            if let Some(before) = figures.take() {
                let [kernel, available] = before.machine;
                let [next_kernel, next_available] = next.machine;
                next.machine = [kernel.and(next_kernel), available.and(next_available)];
            }
            figures = Some(next);
        }
        let Some(figures) = figures else { continue };
        let share = |total: u64| total as f64 / CONTAINERS as f64;
        println!(
            "  {:<16}{:>16.2}{:>11.1}{:>9}{:>+13.0}{:>+15.0}",
            kind.word(),
            figures.others.len() as f64 / CONTAINERS as f64,
            share(figures.pss),
            figures.own_pss,
            figures.machine[0].median(),
            figures.machine[1].median()
        );
        if kind == Kind::Lxcri {
            goal = Some((figures.others, figures.pss));
        }
    }
    let (others, pss) = goal.unzip();
    if let Some(first) = others.as_ref().and_then(|o| o.first()) {
        println!("  left by lxcri, for example: {first}");
    }
    goals::at_most(
        "processes of lxcri and LXC that stay",
        0.0,
        others.map(|o| o.len() as f64),
    );
    goals::at_most("their PSS, KiB", 0.0, pss.map(|p| p as f64));
    Ok(())
}

fn round(bench: &Bench, program: &Program, view: &View) -> Result<Figures> {
    sleep(SETTLE);
    let before = machine()?;
    let mut removals = Vec::new();
    for number in 0..CONTAINERS {
        ensure!(!sys::interrupted(), "interrupted");
        let (start, removal) = commands(bench, program, view, &format!("idle{number}"))?;
        let outcome = view.run(&start);
        ensure!(outcome.ok(), "{}: {}", start.join(" "), reason(&outcome));
        removals.push(removal);
    }
    let mut all = Vec::new();
    let settled = wait_until(Duration::from_secs(5), || {
        all = leaks::processes(bench.scratch.marker());
        all.iter().filter(|(_, line)| is_own(line)).count() == CONTAINERS
    });
    ensure!(settled, "not {CONTAINERS} idle containers: {all:?}");
    sleep(SETTLE);
    let after = machine()?;
    // What had not gone yet when the last container was there does not count.
    let before_settling: BTreeSet<i32> = all.iter().map(|(pid, _)| *pid).collect();
    let others: Vec<_> = leaks::processes(bench.scratch.marker())
        .into_iter()
        .filter(|(pid, line)| before_settling.contains(pid) && !is_own(line))
        .collect();
    let own = all.iter().find(|(_, line)| is_own(line));
    let mut machine = [Sample::default(), Sample::default()];
    for (place, sample) in machine.iter_mut().enumerate() {
        sample.push((after[place] - before[place]) / CONTAINERS as f64);
    }
    let figures = Figures {
        pss: others.iter().map(|(pid, _)| pss(*pid)).sum(),
        own_pss: own.map_or(0, |(pid, _)| pss(*pid)),
        others: others.into_iter().map(|(_, line)| line).collect(),
        machine,
    };
    for removal in removals {
        let outcome = view.run(&removal);
        ensure!(outcome.ok(), "{}: {}", removal.join(" "), reason(&outcome));
    }
    Ok(figures)
}

fn is_own(line: &str) -> bool {
    line.starts_with(IDLE)
}

/// The commands that start an idle container in the background and remove it.
fn commands(
    bench: &Bench,
    program: &Program,
    view: &View,
    name: &str,
) -> Result<(Vec<String>, Vec<String>)> {
    let args: Vec<&str> = IDLE.split(' ').collect();
    let mut start = bench.life(program, view, name, &args)?;
    let id = start.last().cloned().context("no id")?;
    if program.kind == Kind::Lxc {
        start[1] = "-d".into();
        let stop = program.file.with_file_name("lxc-stop");
        let mut removal = vec![stop.to_string_lossy().into_owned(), "-k".into()];
        removal.extend_from_slice(&start[2..]);
        return Ok((start, removal));
    }
    let options = start.iter().position(|a| a == "run").context("no run")?;
    start.insert(options + 1, "--detach".into());
    let mut removal = program.global(&bench.state);
    removal.extend(["delete".into(), "--force".into(), id]);
    Ok((start, removal))
}

/// KiB that the kernel has taken for itself and cannot give back, and KiB of MemAvailable.
fn machine() -> Result<[f64; 2]> {
    let text = fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?;
    let kib = |name: &str| {
        field(&text, name)
            .map(|kib| kib as f64)
            .with_context(|| format!("no {name} in /proc/meminfo"))
    };
    let kernel = ["SUnreclaim:", "KernelStack:", "PageTables:", "Percpu:"];
    let mut sum = 0.0;
    for name in kernel {
        sum += kib(name)?;
    }
    Ok([sum, kib("MemAvailable:")?])
}

/// A process's proportional share of the memory it uses, in KiB; 0 when it is gone.
pub fn pss(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    field(&text, "Pss:").unwrap_or(0)
}

/// The number after `name` at the beginning of a line.
pub fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_of_proc_files() {
        let text = "Name:\tx\nPss:                  12 kB\nPss_Dirty:  3 kB\n";
        assert_eq!(super::field(text, "Pss:"), Some(12));
        assert_eq!(super::field(text, "VmHWM:"), None);
    }
}
