//! `init`: waits for `start`, runs the startContainer hooks, and becomes the container process.

mod descriptors;
mod process;
mod program;

use crate::dir::Dir;
use crate::fail::{self, OrDie};
use crate::phase;
use crate::report::Listener;
use crate::sync;
use crate::sys::{self, Buf, Fd, Received, open};
use crate::tree::Tree;
use core::ffi::CStr;
use descriptors::Descriptors;
use hook_tree::{Cmdline, Environ, Phase, Settings, TreeError, names};

/// Runs init. Once the FIFO is open, failures are written there for whoever called `start`.
pub fn run() -> ! {
    // A hook of the image must not reach the launcher's memory or, through /proc/1/exe, its file (CVE-2019-5736).
    sys::set_undumpable().or_die(fail::SYSTEM, b"prctl", b"PR_SET_DUMPABLE");
    sys::exit_on_signals().or_die(fail::SYSTEM, b"rt_sigaction", b"");
    let mut guest = Dir::open(names::GUEST_MOUNT.as_bytes());
    let descriptors = report_to_runtime(&mut guest);
    // Waits until `start` opens the other end.
    match sys::openat(Some(guest.fd), c"syncfifo", open::WRITE | open::NOFOLLOW) {
        Ok(fifo) => become_program(&guest, &descriptors, fifo),
        Err(errno) => guest.failed(fail::ACCESS, c"syncfifo", errno),
    }
}

/// Tells the runtime that init is here and takes what it answers with.
#[inline(never)]
fn report_to_runtime(guest: &mut Dir) -> Descriptors {
    let socket = sync::connect(guest);
    sync::send(socket, hook_tree::sync::INIT_READY, b"", None);
    let mut buffer = Buf::new();
    let mut fds = Received::new();
    let (kind, payload) = sync::receive(socket, &mut buffer, &mut fds);
    if kind != hook_tree::sync::INIT_GO {
        sync::unexpected(kind);
    }
    socket.close();
    Descriptors::arrange(&mut guest.fd, payload, fds.fds())
}

fn become_program(guest: &Dir, descriptors: &Descriptors, fifo: Fd) -> ! {
    let listener = Listener::Fifo(fifo).attend();
    // Neither hooks nor the program see anything there; what is still needed is reached through the descriptor.
    sys::detach(c"/.lxcri").or_die(fail::SYSTEM, b"umount2", b"/.lxcri");
    descriptors.release_mount_point();
    let init = guest.require(c"init");
    let read = |name: &CStr| {
        let mut file = Buf::new();
        init.read(name, &mut file);
        file
    };
    let (settings, environ, seccomp) = (read(c"settings"), read(c"environ"), read(c"seccomp"));
    let mut cmdline = Buf::new();
    init.read_required(c"cmdline", &mut cmdline);
    let settings = match Settings::parse(settings.bytes()) {
        Ok(settings) => settings,
        Err(error) => init.defect(c"settings", error),
    };
    let environ = match Environ::parse_program(environ.bytes()) {
        Ok(environ) => environ,
        Err(error) => init.defect(c"environ", error),
    };
    let cmdline = match Cmdline::parse_program(cmdline.bytes()) {
        Ok(cmdline) => cmdline,
        Err(error) => init.defect(c"cmdline", error),
    };
    let filter = seccomp.bytes();
    if filter.len() > names::SECCOMP_LIMIT * names::SECCOMP_INSTRUCTION
        || !filter.len().is_multiple_of(names::SECCOMP_INSTRUCTION)
    {
        init.defect(c"seccomp", TreeError::BadSeccomp);
    }

    process::take_session(&settings, descriptors.stdio);
    Tree::with(guest, Phase::StartContainer, |tree| {
        phase::run(tree, b"", None, listener)
    });
    process::apply(&settings, filter);
    descriptors.release(&settings);
    sys::reap_strays();
    // Without it, `start` could not tell a program that was executed from an init that was killed just now.
    sys::write_pieces(fifo, [b">", b"", b"\n"]).or_die(fail::SYSTEM, b"write", b"syncfifo");
    program::execute(&cmdline, &environ)
}
