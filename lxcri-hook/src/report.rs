//! Where the records of hooks go: to the runtime at the sync socket, to `start` at the FIFO, or to `hooks.jsonl`.

use crate::dir::Dir;
use crate::errno::Errno;
use crate::fail::{self, Failure, Result};
use crate::sys::{self, Fd, Socket, open};
use hook_tree::sync;

/// A destination of records.
pub enum Report<'a> {
    /// The runtime, in the middle of `create`.
    Socket(&'a Socket),
    /// The runtime, in the middle of `start`.
    Fifo(&'a Fd),
    /// The file beside the tree, or nowhere when it cannot be written.
    Log(Option<Fd>),
}

impl Report<'_> {
    /// Opens the log of a tree. A hook's success does not depend on it: without one, stderr says so.
    pub fn log(dir: &Dir) -> Report<'static> {
        let flags = open::APPEND_OR_CREATE | open::NOFOLLOW | open::NONBLOCK;
        match sys::openat(Some(dir.fd()), c"hooks.jsonl", flags) {
            Ok(file) if sys::fstat(&file).is_ok_and(|stat| stat.is_regular()) => {
                Report::Log(Some(file))
            }
            Ok(_) => lost(dir.failed(0, b"openat", c"hooks.jsonl", Errno::EINVAL)),
            Err(errno) => lost(dir.failed(0, b"openat", c"hooks.jsonl", errno)),
        }
    }

    /// Delivers one line with its newline.
    ///
    /// # Errors
    /// When the runtime is gone; a log that cannot be written is given up with a warning.
    pub fn deliver(&mut self, line: &[u8]) -> Result<()> {
        match self {
            Report::Socket(socket) => {
                for piece in line.chunks(sync::PIECE) {
                    socket
                        .send(sync::RECORD_PIECE, piece, None)
                        .map_err(lost_runtime)?;
                }
            }
            Report::Fifo(fifo) => sys::write_all(fifo, line).map_err(lost_runtime)?,
            Report::Log(Some(file)) => {
                if let Err(errno) = sys::write_all(file, line) {
                    *self = lost(Failure::of_call(0, b"write", b"hooks.jsonl", errno));
                }
            }
            Report::Log(None) => {}
        }
        Ok(())
    }

    /// The descriptor that hangs up when nobody waits for the hooks any more.
    pub fn lifeline(&self) -> Option<i32> {
        match self {
            Report::Socket(socket) => Some(socket.number()),
            Report::Fifo(fifo) => Some(fifo.number()),
            Report::Log(_) => None,
        }
    }
}

fn lost(why: Failure) -> Report<'static> {
    Failure::new(0, &[b"records of hooks are lost: ", why.text()]).print();
    Report::Log(None)
}

fn lost_runtime(errno: Errno) -> Failure {
    Failure::of_call(fail::SYNC_LOST, b"write", b"record", errno)
}
