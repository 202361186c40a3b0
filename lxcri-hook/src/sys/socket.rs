//! The packet socket to the runtime, and lines to people.

use super::{Fd, Ret, Str, call3, open};
use crate::arch::nr;

const AF_UNIX: u16 = 1;
const SOCK_SEQPACKET: usize = 5;
const SOL_SOCKET: usize = 1;
const SCM_RIGHTS: usize = 1;
const MSG_NOSIGNAL: usize = 0x4000;

/// `struct iovec`.
#[repr(C)]
struct Part {
    start: *const u8,
    len: usize,
}

impl Part {
    fn of(bytes: &[u8]) -> Part {
        Part {
            start: bytes.as_ptr(),
            len: bytes.len(),
        }
    }
}

/// Makes a socket.
pub fn socket() -> Ret {
    // SAFETY: takes numbers only.
    unsafe {
        call3(
            nr::SOCKET,
            AF_UNIX.into(),
            SOCK_SEQPACKET | open::CLOEXEC,
            0,
        )
    }
}

/// Connects to the socket `sync` in the working directory.
pub fn connect(socket: Fd) -> Ret {
    #[repr(C)]
    struct Address {
        family: u16,
        path: [u8; 5],
    }
    let address = Address {
        family: AF_UNIX,
        path: *b"sync\0",
    };
    // SAFETY: the beginning of `struct sockaddr_un`, and its length.
    unsafe { call3(nr::CONNECT, socket.raw(), &raw const address as usize, 7) }
}

/// Sends a packet, with a descriptor or without.
#[inline(never)]
pub fn send(socket: Fd, kind: u8, payload: &[u8], fd: Option<Fd>) -> Ret {
    // A variable: a temporary would be gone before the call.
    let kind = [kind];
    let parts = [Part::of(&kind), Part::of(payload)];
    // `struct cmsghdr` with one descriptor: length, level and type, data.
    let mut control = [20, SCM_RIGHTS << 32 | SOL_SOCKET, 0];
    let mut control_len = 0;
    if let Some(fd) = fd {
        control[2] = fd.raw();
        control_len = size_of_val(&control);
    }
    // `struct msghdr`: name, its length, parts, their number, control data, its length, flags.
    let control = control.as_ptr() as usize;
    let message = [0, 0, parts.as_ptr() as usize, 2, control, control_len, 0];
    let at = message.as_ptr() as usize;
    // SAFETY: a `struct msghdr` whose parts and control data outlive the call, with their lengths.
    unsafe { call3(nr::SENDMSG, socket.raw(), at, MSG_NOSIGNAL) }
}

/// Writes a line in one piece, so that it stays whole among the lines of others.
#[inline(never)]
pub fn write_line(fd: Fd, start: Str, line: &[u8]) -> Ret {
    let parts = [Part::of(start.bytes()), Part::of(line), Part::of(b"\n")];
    // SAFETY: the vector and what it names outlive the call.
    unsafe { call3(nr::WRITEV, fd.raw(), parts.as_ptr() as usize, parts.len()) }
}
