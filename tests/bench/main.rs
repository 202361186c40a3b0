//! The benchmark: whole lives, the cost of a hook, and memory, for lxcri and its peers in one run.
//!
//! Candidates take turns in every round, so that a busy moment of the machine hits all of them. Compare ratios, not
//! milliseconds. LXCRI_BENCH_ROUNDS is the number of rounds (default 25).
#![forbid(unsafe_code)]

mod hooks;
mod lives;
mod memory;

use std::process::ExitCode;
use std::time::Duration;

use lxcri_tests::cgroups::Layout;
use lxcri_tests::command::find_program;
use lxcri_tests::need;
use lxcri_tests::runtime::Runtime;

fn main() -> ExitCode {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("bench: needs root");
        return ExitCode::FAILURE;
    }
    let lxcri = match Runtime::under_test() {
        Ok(runtime) => runtime,
        Err(reason) => {
            eprintln!("bench: {reason}");
            return ExitCode::FAILURE;
        }
    };
    let rounds = need::count("LXCRI_BENCH_ROUNDS", 25).max(3);
    let host = Layout::of_host();
    let mut layouts = vec![host];
    if host == Layout::Hybrid {
        // The same kernel as it looks to programs that know v2 alone, or v1 alone.
        layouts.extend([Layout::V2, Layout::V1]);
    }
    for layout in layouts {
        let runtimes = candidates(lxcri, layout);
        lives::print(&runtimes, layout, rounds);
    }
    hooks::print(&candidates(lxcri, host), rounds.div_ceil(3));
    memory::print(&candidates(lxcri, host));
    ExitCode::SUCCESS
}

/// lxcri and the peers that are installed, in a view of this layout.
fn candidates(lxcri: &Runtime, layout: Layout) -> Vec<Runtime> {
    let peers = ["runc", "crun"].into_iter().filter_map(find_program);
    let all = std::iter::once(lxcri.program.clone()).chain(peers);
    all.filter_map(|program| Runtime::in_layout(program, layout).ok())
        .collect()
}

/// The value in the middle.
fn median(values: &mut [Duration]) -> Duration {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
