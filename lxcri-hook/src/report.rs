//! Who hears of hooks and failures: the runtime at the sync socket, `start` at the FIFO, or `hooks.jsonl` and stderr.

use crate::fail::push_errno;
use crate::sys::{self, Buf, Fd, Ret, Str, open};
use crate::tree::Tree;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use hook_tree::{names, sync};

/// A descriptor that failures anywhere must find; there is one thread. 0 for none, for stdin is none of these.
pub struct Listener(AtomicI32);

/// The runtime in the middle of `create`.
pub static SOCKET: Listener = Listener(AtomicI32::new(0));
/// The runtime in the middle of `start`.
pub static FIFO: Listener = Listener(AtomicI32::new(0));
/// Where records go.
pub static RECORDS: Listener = Listener(AtomicI32::new(0));

impl Listener {
    /// From here on this descriptor is heard.
    pub fn attend(&self, fd: Fd) {
        self.0.store(fd.0, Relaxed);
    }

    fn fd(&self) -> Option<Fd> {
        match self.0.load(Relaxed) {
            0 => None,
            number => Some(Fd(number)),
        }
    }
}

/// Takes a failure's reason to whoever waits for it.
pub fn tell(reason: &[u8]) {
    // The stderr of init is the user's program's; it is for `start` to say why.
    if let Some(fifo) = FIFO.fd()
        && !sys::write_line(fifo, text!("!"), reason).is_err()
    {
        return;
    }
    if let Some(socket) = SOCKET.fd() {
        let _ = sys::send(socket, sync::PHASE_FAILED, reason, None);
    }
    warn(text!("lxcri-hook: "), reason);
}

/// Writes one line to stderr; there is nobody to tell when that fails.
#[inline(never)]
pub fn warn(start: Str, reason: &[u8]) {
    let _ = sys::write_line(Fd(2), start, reason);
}

/// Has nothing that is written to stderr wait for its reader. LXC stops to read before its hook ends, and so does not notice the
/// lines of many poststop hooks; what does not fit is in the records. Without /proc it stays as it is.
#[inline(never)]
pub fn never_wait() {
    let again = sys::openat(
        text!("/proc/self/fd/2"),
        open::WRITE | open::APPEND | open::NONBLOCK,
    );
    if !again.is_err() {
        let _ = sys::duplicate_to(again.fd(), 2);
    }
}

/// Opens the log of a tree where nobody takes the records. A hook's success does not depend on it.
pub fn open_log(tree: &mut Tree) {
    if RECORDS.fd().is_none() {
        tree.at(names::HOOKS_LOG.as_bytes());
        let log = tree.try_open(open::WRITE | open::CREATE | open::APPEND | open::NONBLOCK);
        RECORDS.attend(log.fd());
        check(log);
    }
}

/// Gives the log up when it cannot be written, and says so.
fn check(result: Ret) {
    if result.is_err() {
        RECORDS.attend(Fd::NONE);
        let mut text = Buf::new();
        text.push(b"hooks.jsonl");
        push_errno(&mut text, result.errno());
        warn(
            text!("lxcri-hook: records of hooks are lost: "),
            text.bytes(),
        );
    }
}

/// Delivers one record with its newline, in one piece so that lines of several writers stay whole.
pub fn deliver(line: &[u8]) {
    if let Some(log) = RECORDS.fd()
        && log != Fd::NONE
    {
        check(sys::write(log, line));
    }
}

/// The descriptor that hangs up when nobody waits for the hooks any more.
pub fn lifeline() -> Fd {
    SOCKET.fd().or(FIFO.fd()).unwrap_or(Fd::NONE)
}
