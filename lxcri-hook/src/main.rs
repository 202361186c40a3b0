//! The launcher: runs the OCI hooks of one phase from a hook tree and, as `init`, becomes the container process.
//!
//! It is freestanding, because it runs where nothing can be relied on: in images without a libc or a shell, with an
//! environment that must not have any effect, between `clone` and `execve`.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[macro_use]
mod fail;
#[macro_use]
#[allow(unsafe_code)]
mod sys;

#[allow(unsafe_code)]
mod arch;
mod args;
mod errno;
mod hook;
mod init;
#[allow(unsafe_code)]
mod mem;
mod phase;
mod report;
#[allow(unsafe_code)]
mod start;
mod sync;
mod tree;

use args::Command;
use hook_tree::Phase;
use tree::Tree;

/// Runs the launcher; returns when everything went well.
fn run(start: &start::Start) {
    let command = Command::from_start(start);
    sys::prepare(command.phase.is_none());
    let mut tree = Tree::open(command.dir);
    let Some(phase) = command.phase else {
        init::run(&mut tree)
    };
    let rootfs = match phase {
        Phase::CreateContainer => start.env(b"LXC_ROOTFS_MOUNT"),
        _ => None,
    };
    if command.sync {
        sync::create_container(&mut tree, rootfs);
    } else {
        phase::run(&mut tree, phase, rootfs);
    }
}
