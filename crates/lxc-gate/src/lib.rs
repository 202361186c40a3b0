//! Holds `lxc-start` until there is a container for it.
//!
//! The dynamic linker takes a millisecond to find, map and relocate the libraries of `lxc-start`. The runtime therefore executes
//! it first of all, with this library as LD_PRELOAD, and checks the bundle meanwhile. The constructor below runs when everything
//! is linked and before `main`: it waits for the runtime's packet, enters the container's cgroups and namespaces, and returns.
//!
//! Whatever fails ends the process without an answer. The runtime then starts another one without this library, which takes
//! the same steps before it executes `lxc-start` and says what is wrong.
#![no_std]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod sys;

use lxc_entry::Entry;
use lxc_entry::gate::{Counts, LIMIT, READY};

/// Called by the dynamic linker, through [`sys`].
extern "C" fn constructor() {
    // Not there in what LXC executes: the environment is handed on without it.
    if sys::forget_preload() && wait_and_enter().is_none() {
        sys::exit();
    }
}

/// Waits for the packet and does what it says. `None` when something fails.
fn wait_and_enter() -> Option<()> {
    let mut received = sys::Received::new();
    sys::answer(&READY)?;
    received.wait()?;
    let counts = Counts::read(received.bytes())?;
    let (directory, fds) = received.fds().split_first()?;
    let (cgroups, fds) = fds.split_at_checked(counts.cgroups)?;
    let (tasks, fds) = fds.split_at_checked(counts.tasks)?;
    if fds.len() != counts.namespaces {
        return None;
    }
    let mut namespaces = [(-1, 0); LIMIT];
    for (namespace, fd) in namespaces.iter_mut().zip(fds) {
        namespace.0 = *fd;
    }
    let entry = Entry {
        directory: *directory,
        tasks,
        namespaces: namespaces.get(..fds.len())?,
    };
    sys::enter(cgroups.first().copied(), &entry)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    sys::exit()
}
