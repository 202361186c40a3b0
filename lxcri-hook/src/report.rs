//! Who hears of hooks and failures: the runtime at the sync socket, `start` at the FIFO, or `hooks.jsonl` and stderr.

use crate::dir::Dir;
use crate::fail;
use crate::sys::{self, Buf, Fd, Ret, Str, open};
use core::sync::atomic::{AtomicI32, AtomicU8, Ordering::Relaxed};
use hook_tree::sync;

/// Stderr is all there is.
const NOBODY: u8 = 0;
/// The log beside the tree.
const LOG: u8 = 1;
/// The runtime in the middle of `create`.
pub const SOCKET: u8 = 2;
/// The runtime in the middle of `start`.
pub const FIFO: u8 = 3;

/// The listener: its kind, and the number of its descriptor. Failures anywhere must find it, and there is one thread.
static KIND: AtomicU8 = AtomicU8::new(NOBODY);
static NUMBER: AtomicI32 = AtomicI32::new(-1);

/// From here on, records and failures go to this listener.
#[inline(never)]
pub fn attend(kind: u8, listener: Option<Fd>) {
    NUMBER.store(listener.map_or(-1, Fd::number), Relaxed);
    KIND.store(kind, Relaxed);
}

#[inline(never)]
fn listener() -> (u8, Option<Fd>) {
    (KIND.load(Relaxed), Fd::from_number(NUMBER.load(Relaxed)))
}

/// Takes a failure's reason to whoever waits for it.
pub fn tell(reason: &[u8]) {
    match listener() {
        // The stderr of init is the user's program's; it is for `start` to say why.
        (FIFO, Some(fifo)) if !sys::write_line(fifo, text!("!"), reason).is_err() => return,
        (SOCKET, Some(socket)) => {
            let _ = sys::send(socket, sync::PHASE_FAILED, reason, None);
        }
        _ => {}
    }
    warn(text!("lxcri-hook: "), reason);
}

/// Tells `start` that the program is executed next. Without it, `start` could not tell a program that was executed from
/// an init that was killed just now.
pub fn executing() {
    if let (FIFO, Some(fifo)) = listener() {
        let told = sys::write_line(fifo, text!(">"), b"");
        told.or_die(fail::SYSTEM, text!("writev"), Some(text!("syncfifo")));
    }
}

/// Writes one line to stderr; there is nobody to tell when that fails.
pub fn warn(start: Str, reason: &[u8]) {
    if let Some(stderr) = sys::stdio(2) {
        let _ = sys::write_line(stderr, start, reason);
    }
}

/// Opens the log of a tree where nobody listens. A hook's success does not depend on it: without one, stderr says so.
pub fn open_log(dir: &Dir) {
    if listener().0 != NOBODY {
        return;
    }
    let flags = open::WRITE | open::CREATE | open::APPEND | open::NOFOLLOW | open::NONBLOCK;
    let log = sys::openat(Some(dir.fd), text!("hooks.jsonl"), flags);
    attend(LOG, log.fd());
    check(log);
}

/// Gives the log up when it cannot be written.
fn check(result: Ret) {
    if result.is_err() {
        attend(NOBODY, None);
        let mut text = Buf::new();
        fail::describe_call(
            &mut text,
            text!("open"),
            Some(text!("hooks.jsonl")),
            result.errno(),
        );
        warn(
            text!("lxcri-hook: records of hooks are lost: "),
            text.bytes(),
        );
    }
}

/// Delivers one record with its newline. Without the runtime the launcher ends; a log is given up with a warning.
#[inline(never)]
pub fn deliver(line: &[u8]) {
    let (kind, Some(fd)) = listener() else { return };
    // In one piece where it can be, so that lines of several writers stay whole.
    let most = if kind == SOCKET {
        sync::PIECE
    } else {
        line.len().max(1)
    };
    for piece in line.chunks(most) {
        let result = match kind {
            SOCKET => sys::send(fd, sync::RECORD_PIECE, piece, None),
            _ => sys::write(fd, piece),
        };
        if kind == LOG {
            check(result);
        } else {
            result.or_die(fail::SYNC_LOST, text!("write"), Some(text!("record")));
        }
    }
}

/// The descriptor that hangs up when nobody waits for the hooks any more.
pub fn lifeline() -> Option<Fd> {
    match listener() {
        (SOCKET | FIFO, fd) => fd,
        _ => None,
    }
}
