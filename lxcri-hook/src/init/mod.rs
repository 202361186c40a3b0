//! `init`: waits for `start`, runs the startContainer hooks, and becomes the container process.

mod descriptors;
mod process;
mod program;

use crate::dir::Dir;
use crate::fail;
use crate::sys::{self, Buf, Received, Str, open};
use crate::{phase, report, sync};
use descriptors::Descriptors;
use hook_tree::{Phase, Strings, TreeError, Values, names};

/// Runs init. Once the FIFO is open, failures are written there for whoever called `start`.
pub fn run() -> ! {
    // A hook of the image must not reach the launcher's memory or, through /proc/1/exe, its file (CVE-2019-5736).
    sys::set_undumpable().or_die(fail::SYSTEM, text!("prctl"), None);
    sys::exit_on_signals();
    let mut guest = Dir::open(text!("/.lxcri"));
    let descriptors = report_to_runtime(&mut guest);
    // Waits until `start` opens the other end.
    let name = text!("syncfifo");
    let fifo = sys::openat(Some(guest.fd), name, open::WRITE | open::NOFOLLOW);
    if fifo.is_err() {
        guest.failed(name, fifo.errno());
    }
    report::attend(report::FIFO, fifo.fd());
    // Neither hooks nor the program see anything there; what is still needed is reached through the descriptor.
    sys::detach(text!("/.lxcri")).or_die(fail::SYSTEM, text!("umount2"), None);
    descriptors.release_mount_point();
    become_program(&guest, &descriptors)
}

/// Tells the runtime that init is here and takes what it answers with.
#[inline(never)]
fn report_to_runtime(guest: &mut Dir) -> Descriptors {
    let socket = sync::connect(guest);
    sync::send(socket, hook_tree::sync::INIT_READY, b"", None);
    let mut buffer = Buf::new();
    let mut fds = Received::new();
    let kind = sync::receive(socket, &mut buffer, &mut fds);
    if kind != hook_tree::sync::INIT_GO {
        sync::unexpected(kind);
    }
    socket.close();
    Descriptors::arrange(&mut guest.fd, buffer.bytes(), fds.fds())
}

fn become_program(guest: &Dir, descriptors: &Descriptors) -> ! {
    let init = guest.require(text!("init"));
    let mut cmdline = Buf::new();
    init.read_required(text!("cmdline"), &mut cmdline);
    let environ = optional(&init, text!("environ"));
    let settings = optional(&init, text!("settings"));
    let seccomp = optional(&init, text!("seccomp"));
    init.check(text!("cmdline"), hook_tree::check_program(cmdline.bytes()));
    init.check(text!("environ"), hook_tree::check_environ(environ.bytes()));
    let settings = match Values::parse(settings.bytes()) {
        Ok(settings) => settings,
        Err(error) => init.defect(text!("settings"), error),
    };
    let filter = seccomp.bytes();
    let limit = names::SECCOMP_LIMIT * names::SECCOMP_INSTRUCTION;
    if filter.len() > limit || !filter.len().is_multiple_of(names::SECCOMP_INSTRUCTION) {
        init.defect(text!("seccomp"), TreeError::BadSeccomp);
    }

    process::take_session(&settings, descriptors.stdio);
    phase::run(guest, Phase::StartContainer, None, None);
    process::apply(&settings, filter);
    descriptors.release(&settings);
    sys::reap_strays();
    report::executing();
    program::execute(strings(&cmdline), strings(&environ))
}

fn optional(init: &Dir, name: Str) -> Buf {
    let mut file = Buf::new();
    init.read(name, &mut file);
    file
}

/// The strings of a file that has been checked.
fn strings(file: &Buf) -> Strings<'_> {
    Strings::parse(file.bytes()).unwrap_or_default()
}
