//! Makes the mounts of containers for real; needs root.
//!
//! The test plays the runtime; a process of this same binary plays LXC and the launcher inside the container's
//! namespaces (`role`). Each test runs in a mount namespace of its own, so that nothing it mounts can stay.
#![deny(unsafe_code)]

mod basic;
mod cgroups;
mod container;
mod devices;
mod errors;
mod hostile;
mod lxc;
mod propagation;
mod role;
mod settings;
#[allow(unsafe_code)]
mod sys;
mod tmpfs;
mod users;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

type Case = (&'static str, fn());

fn cases() -> Vec<Case> {
    [
        basic::CASES,
        tmpfs::CASES,
        devices::CASES,
        hostile::CASES,
        propagation::CASES,
        users::CASES,
        cgroups::CASES,
        settings::CASES,
        errors::CASES,
        lxc::CASES,
    ]
    .concat()
}

fn main() -> ExitCode {
    if role::is_wanted() {
        return role::main();
    }
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if !nix::unistd::geteuid().is_root() {
        return skip("making mounts needs root");
    }
    if let Err(errno) = in_thread(|| unshare(CloneFlags::CLONE_NEWNS)) {
        return skip(&format!("no mount namespace can be made: {errno}"));
    }
    let mut failed = Vec::new();
    let mut passed = 0;
    for (name, case) in cases() {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        let result = in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
            catch_unwind(AssertUnwindSafe(case))
        });
        println!(
            "test {name} ... {}",
            if result.is_ok() { "ok" } else { "FAILED" }
        );
        match result {
            Ok(()) => passed += 1,
            Err(_) => failed.push(name),
        }
    }
    println!(
        "\n{passed} passed, {} failed {}",
        failed.len(),
        failed.join(" ")
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Says why something is not tested; true if that is not allowed.
fn skipping_is_wrong(reason: &str) -> bool {
    println!("skipped: {reason}");
    std::env::var("LXCRI_TEST_MUST_RUN").is_ok_and(|value| value == "1")
}

fn skip(reason: &str) -> ExitCode {
    if skipping_is_wrong(reason) {
        println!("LXCRI_TEST_MUST_RUN=1 forbids that");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn in_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(work).join().unwrap())
}
