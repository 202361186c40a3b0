//! `init`: waits for `start`, runs the startContainer hooks, and becomes the container process.

mod descriptors;
mod process;
mod program;

use crate::dir::Dir;
use crate::fail::{self, Failure, Result};
use crate::phase;
use crate::report::Report;
use crate::sync;
use crate::sys::{self, Buf, Fd, Received, open};
use crate::tree::Above;
use descriptors::Descriptors;
use hook_tree::{Cmdline, Environ, Phase, Settings, TreeError, names};

const GUEST: &[u8] = names::GUEST_MOUNT.as_bytes();

/// Runs init; returns only when it failed.
///
/// # Errors
/// Once the FIFO is open, the error is written there for whoever called `start`.
pub fn run() -> Result<()> {
    // A hook of the image must not reach the launcher's memory or, through /proc/1/exe, its file (CVE-2019-5736).
    sys::set_undumpable().map_err(Failure::call(fail::SYSTEM, b"prctl"))?;
    sys::exit_on_signals().map_err(Failure::call(fail::SYSTEM, b"rt_sigaction"))?;
    let mut guest = Dir::open(GUEST)?;
    let descriptors = report_to_runtime(&mut guest)?;
    // Waits until `start` opens the other end.
    let fifo = sys::openat(Some(guest.fd()), c"syncfifo", open::WRITE | open::NOFOLLOW)
        .map_err(|errno| guest.failed(fail::ACCESS, b"openat", c"syncfifo", errno))?;
    let mut result = become_program(&guest, descriptors, &fifo);
    if let Err(failure) = &mut result {
        let line = Buf::concat(&[b"!", failure.text(), b"\n"]);
        if sys::write_all(&fifo, line.bytes()).is_ok() {
            failure.set_told();
        }
    }
    result
}

/// Tells the runtime that init is here and takes what it answers with.
fn report_to_runtime(guest: &mut Dir) -> Result<Descriptors> {
    let socket = sync::connect(guest)?;
    sync::send(&socket, hook_tree::sync::INIT_READY, b"", None)?;
    let mut buffer = Buf::new();
    let mut fds = Received::new();
    let packet = sync::receive(&socket, &mut buffer, &mut fds)?;
    if packet.kind != hook_tree::sync::INIT_GO {
        return Err(sync::unexpected(packet.kind));
    }
    drop(socket);
    Descriptors::arrange(guest, packet.payload, &mut fds)
}

fn become_program(guest: &Dir, descriptors: Descriptors, fifo: &Fd) -> Result<()> {
    // Neither hooks nor the program see anything there; what is still needed is reached through the descriptor.
    sys::detach(c"/.lxcri")
        .map_err(|errno| Failure::of_call(fail::SYSTEM, b"umount2", GUEST, errno))?;
    let init = guest.require(c"init", open::PATH)?;
    let files = Files::read(&init)?;
    let settings =
        Settings::parse(files.settings.bytes()).map_err(|error| init.defect(c"settings", error))?;
    let cmdline = Cmdline::parse_program(files.cmdline.bytes())
        .map_err(|error| init.defect(c"cmdline", error))?;
    let environ = Environ::parse_program(files.environ.bytes())
        .map_err(|error| init.defect(c"environ", error))?;

    process::take_session(&settings, &descriptors)?;
    let above = Above::open(guest, Phase::StartContainer)?;
    let tree = above.tree()?;
    if tree.count > 0 {
        phase::run(&tree, b"", None, &mut Report::Fifo(fifo))?;
    }
    process::apply(&settings, files.seccomp.bytes())?;
    descriptors.release(&settings)?;
    sys::reap_strays();
    Err(program::execute(&cmdline, &environ))
}

/// The files of `init/`.
struct Files {
    cmdline: Buf,
    environ: Buf,
    settings: Buf,
    seccomp: Buf,
}

impl Files {
    fn read(init: &Dir) -> Result<Files> {
        let mut files = Files {
            cmdline: Buf::new(),
            environ: Buf::new(),
            settings: Buf::new(),
            seccomp: Buf::new(),
        };
        init.read_required(c"cmdline", &mut files.cmdline)?;
        init.read(c"environ", &mut files.environ)?;
        init.read(c"settings", &mut files.settings)?;
        if init.read(c"seccomp", &mut files.seccomp)? {
            let length = files.seccomp.bytes().len();
            let limit = names::SECCOMP_LIMIT * names::SECCOMP_INSTRUCTION;
            if length == 0 || !length.is_multiple_of(names::SECCOMP_INSTRUCTION) || length > limit {
                return Err(init.defect(c"seccomp", TreeError::BadSeccomp));
            }
        }
        Ok(files)
    }
}
