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
mod capture;
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
use fail::Failure;

/// Runs the launcher and returns its exit code.
fn run(start: &start::Start) -> u8 {
    let result = sys::prepare()
        .map_err(Failure::call(fail::SYSTEM, b"startup"))
        .and_then(|()| match Command::from_start(start)? {
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
        });
    match result {
        Ok(()) => 0,
        Err(failure) => {
            failure.print();
            failure.code()
        }
    }
}
