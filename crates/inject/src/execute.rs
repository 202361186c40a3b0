//! Becoming the runtime: same process, same arguments, same descriptors.

use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::OsStringExt;

use inject::runtime::choose;
use nix::unistd::execve;

use crate::{Failure, Start};

/// Counts how many of these programs one call has passed through; see [`DEPTH_LIMIT`].
const DEPTH: &str = "LXCRI_INJECT_DEPTH";
/// Wrappers in front of wrappers are few. More of them are a loop that no comparison of files has found, such as a script
/// that executes this program again.
const DEPTH_LIMIT: u32 = 16;

/// Exit status when the runtime cannot be executed, as env(1) has it.
const NOT_EXECUTABLE: i32 = 126;
/// Exit status when there is no runtime.
const NOT_FOUND: i32 = 127;

/// Executes the first of `runtimes` that can be. The only result is why it cannot.
pub fn become_runtime(start: &Start, runtimes: &[OsString]) -> Failure {
    let failure = |status, message| Failure { status, message };
    let depth = start
        .variable(DEPTH)
        .and_then(|value| value.to_str()?.parse().ok())
        .unwrap_or(0u32)
        .saturating_add(1);
    if depth > DEPTH_LIMIT {
        return failure(
            NOT_EXECUTABLE,
            format!("runtimes lead back to lxcri-inject: passed through it {DEPTH_LIMIT} times"),
        );
    }
    let path = match choose(runtimes) {
        Ok(path) => path,
        Err(e @ inject::runtime::RuntimeError::Itself(_)) => {
            return failure(NOT_EXECUTABLE, e.to_string());
        }
        Err(e) => return failure(NOT_FOUND, e.to_string()),
    };
    // Paths from files and variables; the kernel has let none with a NUL pass, TOML might.
    let Ok(program) = CString::new(path.clone().into_os_string().into_vec()) else {
        return failure(
            NOT_FOUND,
            format!("runtime {path:?}: contains a NUL character"),
        );
    };
    let mut args: Vec<&CStr> = start.args.clone();
    match args.first_mut() {
        Some(name) => *name = &program,
        None => args.push(&program),
    }
    let marker = CString::new(format!("{DEPTH}={depth}")).unwrap_or_default();
    let is_marker = |entry: &CStr| entry.to_bytes().starts_with(format!("{DEPTH}=").as_bytes());
    let others = start.env.iter().copied().filter(|entry| !is_marker(entry));
    let env: Vec<&CStr> = others.chain([&*marker]).collect();
    match execve(&program, &args, &env) {
        Ok(never) => match never {},
        Err(errno) => failure(
            NOT_EXECUTABLE,
            hook_exec::CallError::of(format!("execve({})", path.display()))(errno).to_string(),
        ),
    }
}
