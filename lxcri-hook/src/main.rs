//! The launcher: runs the OCI hooks of one phase from a hook tree and, as `init`, becomes the container process.
//!
//! It is freestanding, because it runs where nothing can be relied on: in images without a libc or a shell, with an
//! environment that must not have any effect, between `clone` and `execve`.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[macro_use]
#[allow(unsafe_code)]
mod sys;

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

use args::Command;
use dir::Dir;
use hook_tree::Phase;

/// Runs the launcher; returns when everything went well.
fn run(start: &start::Start) {
    sys::prepare();
    let Command::Phase { phase, dir, sync } = Command::from_start(start) else {
        init::run()
    };
    let dir = Dir::open(dir);
    let rootfs = match phase {
        Phase::CreateContainer => start.env("LXC_ROOTFS_MOUNT"),
        _ => None,
    };
    if sync {
        sync::create_container(&dir, rootfs);
    } else {
        phase::run(&dir, phase, None, rootfs);
    }
}
