//! Skips a test with a reason where a privilege or a program is missing, or fails it when LXCRI_TEST_MUST_RUN=1.

use std::fmt::Display;

use crate::command::find_program;
use crate::runtime::Runtime;

/// Whether missing means must fail.
pub fn must_run() -> bool {
    std::env::var_os("LXCRI_TEST_MUST_RUN").is_some_and(|v| v == "1")
}

/// Says why a test does not run.
///
/// # Panics
/// When LXCRI_TEST_MUST_RUN=1.
pub fn skip(reason: impl Display) {
    assert!(!must_run(), "must run, but: {reason}");
    let thread = std::thread::current();
    eprintln!("{}: skipped: {reason}", thread.name().unwrap_or("test"));
}

/// Whether the tests may make namespaces, mounts and cgroups.
pub fn privileged() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip("needs root");
    }
    root
}

/// Whether all the programs are installed.
pub fn programs(names: &[&str]) -> bool {
    match names.iter().find(|name| find_program(name).is_none()) {
        Some(name) => {
            skip(format!("{name} is not installed"));
            false
        }
        None => true,
    }
}

/// The runtime under test, where the privileges for it are there.
pub fn runtime() -> Option<&'static Runtime> {
    if !privileged() {
        return None;
    }
    match Runtime::under_test() {
        Ok(runtime) => Some(runtime),
        Err(reason) => {
            skip(reason);
            None
        }
    }
}

/// The runtime under test if it is lxcri, for what only lxcri promises.
pub fn lxcri() -> Option<&'static Runtime> {
    let runtime = runtime()?;
    if runtime.is_lxcri() {
        return Some(runtime);
    }
    // Not a missing privilege: another runtime was asked for, so this is no failure even where nothing may be skipped.
    eprintln!("skipped: {} does not promise this", runtime.name());
    None
}

/// A number that a variable sets, or the default.
pub fn count(variable: &str, default: usize) -> usize {
    std::env::var(variable)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}
