//! Who hears of hooks and failures: the runtime at the sync socket, `start` at the FIFO, or `hooks.jsonl` and stderr.

use crate::dir::Dir;
use crate::errno::Errno;
use crate::fail::{self, OrDie};
use crate::sys::{self, Buf, Fd, STDIO, open};
use core::sync::atomic::{AtomicI32, AtomicU8, Ordering::Relaxed};
use hook_tree::sync;

/// Where records go, and besides stderr the reason of a failure.
#[derive(Clone, Copy)]
pub enum Listener {
    /// The log beside the tree, or nobody when it cannot be written.
    Log(Option<Fd>),
    /// The runtime in the middle of `create`.
    Socket(Fd),
    /// The runtime in the middle of `start`.
    Fifo(Fd),
}

/// The listener, for failures anywhere: its kind, and the number of its descriptor. There is one thread only.
static KIND: AtomicU8 = AtomicU8::new(NOBODY);
static NUMBER: AtomicI32 = AtomicI32::new(-1);
const NOBODY: u8 = 0;
const SOCKET: u8 = 1;
const FIFO: u8 = 2;

/// Takes a failure's reason to whoever waits for it.
pub fn tell(reason: &[u8]) {
    let listener = Fd::from_number(NUMBER.load(Relaxed));
    match KIND.load(Relaxed) {
        // The stderr of init is the user's program's; it is for `start` to say why.
        FIFO if sys::write_pieces(listener, [b"!", reason, b"\n"]).is_ok() => return,
        SOCKET => {
            let _ = sys::send(listener, sync::PHASE_FAILED, reason, None);
        }
        _ => {}
    }
    warn(reason);
}

/// Writes one line to stderr; there is nobody to tell when that fails.
pub fn warn(reason: &[u8]) {
    let _ = sys::write_pieces(STDIO[2], [b"lxcri-hook: ", reason, b"\n"]);
}

impl Listener {
    /// Lets failures from here on be told to this listener, too.
    pub fn attend(self) -> Listener {
        let (kind, fd) = match self {
            Listener::Log(_) => (NOBODY, STDIO[2]),
            Listener::Socket(socket) => (SOCKET, socket),
            Listener::Fifo(fifo) => (FIFO, fifo),
        };
        NUMBER.store(fd.number(), Relaxed);
        KIND.store(kind, Relaxed);
        self
    }

    /// Opens the log of a tree. A hook's success does not depend on it: without one, stderr says so.
    pub fn log(dir: &Dir) -> Listener {
        let flags = open::APPEND_OR_CREATE | open::NOFOLLOW | open::NONBLOCK;
        let opened = sys::openat(Some(dir.fd), c"hooks.jsonl", flags).and_then(|file| {
            let regular = sys::fstat(file)?.is_regular();
            if regular {
                Ok(file)
            } else {
                Err(Errno::EINVAL)
            }
        });
        match opened {
            Ok(file) => Listener::Log(Some(file)),
            Err(errno) => {
                lost(dir.path_of(c"hooks.jsonl").bytes(), errno);
                Listener::Log(None)
            }
        }
    }

    /// Delivers one line with its newline. Without the runtime the launcher ends; a log that cannot be written is
    /// given up with a warning.
    pub fn deliver(&mut self, line: &[u8]) {
        match *self {
            Listener::Socket(socket) => {
                for piece in line.chunks(sync::PIECE) {
                    let sent = sys::send(socket, sync::RECORD_PIECE, piece, None);
                    sent.or_die(fail::SYNC_LOST, b"sendmsg", b"record");
                }
            }
            Listener::Fifo(fifo) => {
                sys::write_all(fifo, line).or_die(fail::SYNC_LOST, b"write", b"record");
            }
            Listener::Log(Some(file)) => {
                if let Err(errno) = sys::write_all(file, line) {
                    lost(b"hooks.jsonl", errno);
                    *self = Listener::Log(None);
                }
            }
            Listener::Log(None) => {}
        }
    }

    /// The descriptor that hangs up when nobody waits for the hooks any more.
    pub fn lifeline(self) -> Option<Fd> {
        match self {
            Listener::Socket(fd) | Listener::Fifo(fd) => Some(fd),
            Listener::Log(_) => None,
        }
    }
}

fn lost(file: &[u8], errno: Errno) {
    let mut text = Buf::concat(&[b"records of hooks are lost: "]);
    fail::push_call(&mut text, b"open", file, errno);
    warn(text.bytes());
}
