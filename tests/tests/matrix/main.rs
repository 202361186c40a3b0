//! The hook matrix: every property of every phase, for any OCI runtime.
//!
//! `LXCRI_TEST_RUNTIME=runc make test-matrix` compares another runtime; it is then a report and always succeeds. For lxcri
//! each difference is a failed test. See docs/testing.md for what each row means.
#![forbid(unsafe_code)]

mod environment;
mod faults;
mod life;
mod normal;
mod process;
mod state;
mod table;

use std::process::ExitCode;

use lxcri_tests::need;
use lxcri_tests::runtime::Runtime;

fn main() -> ExitCode {
    // `cargo test -- --list` and filters are meant for the standard harness.
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    if !nix::unistd::geteuid().is_root() {
        return cannot("needs root");
    }
    let runtime = match Runtime::under_test() {
        Ok(runtime) => runtime,
        Err(reason) => return cannot(&reason),
    };
    println!("\nhook matrix of {}\n", runtime.name());
    let mut report = table::Report::default();
    normal::run(&mut report, runtime);
    faults::shared_pid_namespace(&mut report, runtime);
    faults::stdin(&mut report, runtime);
    faults::flood(&mut report, runtime);
    faults::grandchildren(&mut report, runtime);
    faults::timeouts(&mut report, runtime);
    faults::failures(&mut report, runtime);
    let counts = report.print();
    let skipped = if counts.skipped > 0 {
        format!(", {} skipped", counts.skipped)
    } else {
        String::new()
    };
    println!(
        "\n{} passed, {} failed{skipped}",
        counts.passed, counts.failed
    );
    if runtime.is_lxcri() && counts.failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn cannot(reason: &str) -> ExitCode {
    let (failed, skipped) = if need::must_run() { (1, 0) } else { (0, 1) };
    println!("hook matrix: {reason}\n0 passed, {failed} failed, {skipped} skipped");
    if failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
