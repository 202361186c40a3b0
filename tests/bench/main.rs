//! `make bench`: lxcri beside lxc-start, runc and crun, from one run. docs/bench.md says what is measured and how to read it.
//!
//! LXCRI, LAUNCHER, INJECT and WATCH name the programs; LXCRI_BENCH_ROUNDS sets the number of rounds of the first section.
#![deny(unsafe_code)]

mod bench;
mod goals;
mod hooks;
mod idle;
mod images;
mod inject;
mod launcher;
mod life;
mod poststop;
mod programs;
mod sample;
#[allow(unsafe_code)]
mod sys;
mod watch;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use bench::Bench;
use lxcri_tests::cgroups;
use programs::Kind;

/// Rounds of the whole life, and those before them that do not count.
const ROUNDS: usize = 100;
const WARM_UP: usize = 5;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let rounds = match env::var("LXCRI_BENCH_ROUNDS") {
        Ok(text) if !text.is_empty() => text
            .parse()
            .ok()
            .filter(|n| *n > 0)
            .with_context(|| format!("LXCRI_BENCH_ROUNDS={text}: not a number of rounds"))?,
        _ => ROUNDS,
    };
    if !nix::unistd::geteuid().is_root() {
        bail!("needs root: containers are made and file systems mounted");
    }
    let own = env::current_exe().context("own path")?;
    let tiny = own.with_file_name("lxcri-tiny");
    ensure!(
        tiny.is_file(),
        "{} is not built: run `cargo build --workspace --release`",
        tiny.display()
    );
    let named = |variable: &str, program: &str| match env::var_os(variable) {
        Some(path) if !path.is_empty() => PathBuf::from(path),
        _ => own.with_file_name(program),
    };
    let start = Instant::now();
    sys::handle_signals().context("sigaction")?;
    let bench = Bench::new(&tiny)?;
    heading(&bench)?;
    // Without lxcri itself there is nothing to compare; any other program may be missing from the tables.
    let lxcri = bench.program(Kind::Lxcri)?;
    if let Err(reason) = bench.try_out(lxcri, &programs::View::host()?)? {
        bail!("{} run: {reason}", lxcri.file.display());
    }
    life::measure(&bench, rounds, WARM_UP)?;
    hooks::measure(&bench, (rounds * 6).div_ceil(10), 2)?;
    if let Some(program) = built(named("INJECT", "lxcri-inject")) {
        inject::measure(&bench, &program, rounds * 4, WARM_UP)?;
    }
    if let Some(program) = built(named("LAUNCHER", "lxcri-hook")) {
        launcher::measure(&bench, &program)?;
    }
    idle::measure(&bench, 3)?;
    if let Some(program) = built(named("WATCH", "lxcri-watch")) {
        watch::measure(&bench, &program, rounds)?;
        poststop::measure(&bench, &program, rounds)?;
    }
    println!("\n{:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// A program that has a section of its own, if it is there.
fn built(program: PathBuf) -> Option<PathBuf> {
    if program.is_file() {
        return Some(program);
    }
    println!("\nskipped: {} is not built", program.display());
    None
}

fn heading(bench: &Bench) -> Result<()> {
    let mut versions = Vec::new();
    for program in &bench.programs {
        if program.kind != Kind::LxcBare {
            versions.push(program.version());
        }
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{}", versions.join(", "));
    println!(
        "Linux {}, {processors} processors, load {} at the beginning, {:?} cgroups",
        kernel.trim(),
        load.split(' ').next().unwrap_or("?"),
        cgroups::Layout::of_host()
    );
    Ok(())
}
