//! The launcher: runs the OCI hooks of one phase from a hook tree and, as `init`, becomes the container process.
//!
//! It is freestanding, because it runs where nothing can be relied on: in images without a libc or a shell, with an
//! environment that must not have any effect, between `clone` and `execve`.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod arch;
mod args;
mod dir;
mod errno;
mod fail;
mod hook;
mod init;
#[allow(unsafe_code)]
mod mem;
mod phase;
mod report;
#[allow(unsafe_code)]
mod start;
mod superblock;
mod sync;
#[allow(unsafe_code)]
mod sys;
mod tree;

use args::Command;
use fail::OrDie;

/// Runs the launcher; returns when everything went well.
fn run(start: &start::Start) {
    sys::prepare().or_die(fail::SYSTEM, b"prepare", b"");
    match Command::from_start(start) {
        Command::Phase {
            phase,
            dir,
            sync: true,
        } => sync::create_container(phase, dir, start),
        Command::Phase {
            phase,
            dir,
            sync: false,
        } => phase::run_alone(phase, dir, start),
        Command::Init => init::run(),
    }
}
