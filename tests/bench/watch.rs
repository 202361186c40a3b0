//! What lxcri-watch costs: an execution of a marked program, a container's start, programs that are not marked, memory, and
//! processor time when nothing happens. All of it with copies of programs, so that nothing else on the machine is held.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lxcri_tests::command::{Cmd, Running, wait_until};
use lxcri_tests::leaks;
use nix::sys::signal::Signal;

use crate::bench::Bench;
use crate::goals;
use crate::idle::{field, pss};
use crate::programs::{Kind, Program, View};
use crate::sample::Sample;
use crate::sys::Command;

/// How long the idle watcher is looked at.
const IDLE: Duration = Duration::from_secs(5);
/// Executions for each round of the other sections.
const EXECUTIONS: usize = 10;
/// Containers of each kind for each round of the other sections: what is added is small beside the spread of a runtime.
const CONTAINERS: usize = 3;

/// A way of running something, with what it took.
struct Row {
    name: &'static str,
    command: Command,
    sample: Sample,
}

/// Prints the figures of the program in `file`.
pub fn measure(bench: &Bench, file: &Path, rounds: usize) -> Result<()> {
    let host = View::host()?;
    let copies = bench.scratch.mkdir("watched");
    let tiny = &bench.images.tiny;
    let runc = &bench.program(Kind::Runc)?.file;
    let copy = |from: &Path, name: &str| -> Result<PathBuf> {
        let to = copies.join(name);
        fs::copy(from, &to)
            .with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
        Ok(to)
    };
    let marked = [copy(tiny, "runc-exec")?, copy(runc, "runc-seen")?];
    let hooked = copy(runc, "runc-hooked")?;
    let plain = [copy(tiny, "plain-exec")?, copy(runc, "plain-runc")?];

    // Unmarked programs while nobody watches, as the measure for those while somebody does.
    let quiet = time_all(
        bench,
        &host,
        vec![exec("", &plain[0])?],
        rounds * EXECUTIONS,
    )?;
    let root = bench.state.join("watched").display().to_string();
    let start = |files: &[PathBuf], more: &[&str]| Watcher::start(file, files, &root, more);
    let hook = tiny.display().to_string();
    let watcher = start(&marked, &[])?;
    let with_hook = start(std::slice::from_ref(&hooked), &["--prestart", &hook])?;
    let execs = vec![
        exec("execution, not marked", &plain[0])?,
        exec("execution, marked", &marked[0])?,
    ];
    let execs = time_all(bench, &host, execs, rounds * EXECUTIONS)?;
    let life = |name: &'static str, file: &Path| -> Result<Row> {
        let program = Program {
            kind: Kind::Runc,
            file: file.to_owned(),
        };
        let command = bench.life(&program, &host, name, &["/bin/true"])?;
        row(name, &command)
    };
    let lives = vec![
        life("runc-run", &plain[1])?,
        life("runc-run-seen", &marked[1])?,
        life("runc-run-held", &hooked)?,
    ];
    let lives = time_all(bench, &host, lives, rounds * CONTAINERS)?;

    println!(
        "\nlxcri-watch: {} rounds of containers, {} of executions, milliseconds",
        rounds * CONTAINERS,
        rounds * EXECUTIONS
    );
    println!("  {:<48}{:>8}{:>8}{:>8}", "", "median", "p10", "p90");
    for row in execs.iter().chain(&lives) {
        let sample = &row.sample;
        let (median, low, high) = (sample.median(), sample.at(0.1), sample.at(0.9));
        println!("  {:<48}{median:>8.3}{low:>8.3}{high:>8.3}", row.name);
    }
    let more =
        |rows: &[Row], place: usize| Some(rows[place].sample.median() - rows[0].sample.median());
    let unmarked = execs[0].sample.median() - quiet[0].sample.median();
    let memory = watcher.memory();
    println!(
        "  {:<48}{unmarked:>+8.3}",
        "an execution that is not marked, while watching"
    );
    println!(
        "  {:<48}{memory:>8}",
        "memory of the three processes (PSS), KiB"
    );
    println!(
        "  {:<48}{:>8.3}",
        "processor time when idle, percent",
        watcher.idle()?
    );
    goals::at_most("added to a marked execution, ms", 0.5, more(&execs, 1));
    goals::at_most(
        "added to a container with an empty hook, ms",
        3.0,
        more(&lives, 2),
    );
    goals::at_most("memory, MiB", 6.0, Some(memory as f64 / 1024.0));
    watcher.end()?;
    with_hook.end()
}

fn row(name: &'static str, argv: &[String]) -> Result<Row> {
    Ok(Row {
        name,
        command: Command::new(argv)?,
        sample: Sample::default(),
    })
}

/// The tiny program takes this argument for none and ends at once; a runtime that is told this starts nothing.
fn exec(name: &'static str, file: &Path) -> Result<Row> {
    row(name, &[file.display().to_string(), "list".into()])
}

/// Each row once a round, in turn.
fn time_all(bench: &Bench, view: &View, mut rows: Vec<Row>, rounds: usize) -> Result<Vec<Row>> {
    for round in 0..rounds + rounds.div_ceil(10) {
        for row in &mut rows {
            let took = bench.time(&row.command, view)?;
            if round >= rounds.div_ceil(10) {
                row.sample.add(took);
            }
        }
    }
    Ok(rows)
}

/// A watcher that runs.
pub struct Watcher(Running);

impl Watcher {
    /// Starts the program in `file`, and waits until it watches these copies of runc.
    pub fn start(file: &Path, runtimes: &[PathBuf], root: &str, more: &[&str]) -> Result<Self> {
        let mut command = Cmd::new(file)
            .args(["--root", &format!("runc={root}")])
            .args(more);
        for runtime in runtimes {
            command = command
                .arg("--runtime")
                .arg(format!("runc={}", runtime.display()));
        }
        // It ends with the benchmark, also when that is killed, or aborts because nobody reads what it prints.
        let command = command.with_program("setpriv", &["--pdeathsig", "TERM"], file);
        let watcher = Watcher(command.deadline(Duration::from_secs(600)).spawn());
        let ready = wait_until(Duration::from_secs(10), || {
            watcher.0.stdout_so_far().contains("ready")
        });
        ensure!(ready, "{} does not get ready", file.display());
        Ok(watcher)
    }

    fn pids(&self) -> Vec<i32> {
        let mut pids = leaks::children(self.0.pid());
        pids.push(self.0.pid());
        pids
    }

    /// KiB.
    fn memory(&self) -> u64 {
        self.pids().into_iter().map(pss).sum()
    }

    /// Percent of one processor.
    fn idle(&self) -> Result<f64> {
        // Threads that were needed before have gone then.
        sleep(Duration::from_secs(6));
        let before = self.processor_time();
        sleep(IDLE);
        let used = self.processor_time() - before;
        Ok(used as f64 / IDLE.as_nanos() as f64 * 100.0)
    }

    /// Nanoseconds on a processor so far.
    fn processor_time(&self) -> u64 {
        let of = |pid: i32| {
            let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
            field(&text, "").unwrap_or(0)
        };
        self.pids().into_iter().map(of).sum()
    }

    /// What it has printed.
    pub fn output(&self) -> String {
        self.0.stdout_so_far()
    }

    /// Ends it.
    pub fn end(self) -> Result<()> {
        self.0.signal(Signal::SIGTERM);
        let outcome = self.0.wait();
        ensure!(outcome.ok(), "{outcome}");
        Ok(())
    }
}
