//! The packet socket to the runtime, with descriptors in both directions.

use super::{Buf, Fd, Ret, Str, call3, open};
use crate::arch::nr;
use crate::errno::Errno;

const AF_UNIX: u16 = 1;
const SOCK_SEQPACKET: usize = 5;
const SOL_SOCKET: i32 = 1;
const SCM_RIGHTS: i32 = 1;
/// Data or control data did not fit: MSG_TRUNC, MSG_CTRUNC.
const TRUNCATED: i32 = 0x20 | 0x8;
const MSG_NOSIGNAL: usize = 0x4000;
const MSG_CMSG_CLOEXEC: usize = 0x4000_0000;
/// The kernel passes at most 253 descriptors in one packet (SCM_MAX_FD); an even number keeps the alignment.
const MAX_FDS: usize = 254;
const CONTROL_HEADER: usize = 16;
const FD_SIZE: usize = size_of::<i32>();

/// `struct msghdr`, without the name that a connected socket does not need.
#[repr(C)]
struct Message {
    name: usize,
    name_len: usize,
    parts: *const Part,
    part_count: usize,
    control: *mut Control,
    control_len: usize,
    flags: i32,
}

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

/// `struct cmsghdr` and its data: descriptors.
#[repr(C)]
struct Control {
    len: usize,
    level: i32,
    kind: i32,
    fds: [i32; MAX_FDS],
}

/// The descriptors that came with a packet.
pub struct Received(Control);

impl Received {
    /// Room for descriptors.
    pub const fn new() -> Received {
        Received(Control {
            len: 0,
            level: SOL_SOCKET,
            kind: SCM_RIGHTS,
            fds: [0; MAX_FDS],
        })
    }

    /// The descriptors' numbers in order.
    pub fn fds(&mut self) -> &mut [i32] {
        let count = self.0.len.saturating_sub(CONTROL_HEADER) / FD_SIZE;
        self.0.fds.get_mut(..count).unwrap_or_default()
    }
}

/// Connects to the socket `sync` in the working directory.
pub fn connect() -> Ret {
    #[repr(C)]
    struct Address {
        family: u16,
        path: [u8; 5],
    }
    let address = Address {
        family: AF_UNIX,
        path: *b"sync\0",
    };
    // SAFETY: takes numbers only.
    let socket = unsafe { call3(nr::SOCKET, 1, SOCK_SEQPACKET | open::CLOEXEC, 0) };
    // SAFETY: the beginning of `struct sockaddr_un`, and its length.
    let connected = unsafe { call3(nr::CONNECT, socket.number(), &raw const address as usize, 7) };
    if connected.is_err() {
        connected
    } else {
        socket
    }
}

/// Sends a packet, with a descriptor or without.
#[inline(never)]
pub fn send(socket: Fd, kind: u8, payload: &[u8], fd: Option<Fd>) -> Ret {
    let mut control = Received::new().0;
    control.len = CONTROL_HEADER + FD_SIZE;
    let mut control_len = 0;
    if let Some(fd) = fd {
        control.fds[0] = fd.number();
        control_len = CONTROL_HEADER + 2 * FD_SIZE;
    }
    // A variable: a temporary would be gone before the call.
    let kind = [kind];
    let parts = [Part::of(&kind), Part::of(payload)];
    let message = Message {
        name: 0,
        name_len: 0,
        parts: parts.as_ptr(),
        part_count: parts.len(),
        control: &raw mut control,
        control_len,
        flags: 0,
    };
    // SAFETY: a `struct msghdr` whose parts and control data outlive the call, with their lengths.
    unsafe {
        call3(
            nr::SENDMSG,
            socket.raw(),
            &raw const message as usize,
            MSG_NOSIGNAL,
        )
    }
}

/// Waits for a packet of at most `limit` bytes; the buffer is empty when the other side is gone. EMSGSIZE for a packet,
/// or a number of descriptors, that does not fit.
pub fn receive(socket: Fd, into: &mut Buf, limit: usize, fds: &mut Received) -> Ret {
    into.clear();
    let part = Part {
        start: into.room(limit),
        len: limit,
    };
    let mut message = Message {
        name: 0,
        name_len: 0,
        parts: &raw const part,
        part_count: 1,
        control: &raw mut fds.0,
        control_len: size_of::<Control>(),
        flags: 0,
    };
    let at = &raw mut message as usize;
    // SAFETY: a `struct msghdr` with one part of `limit` bytes, for which there is room, and control data of the size
    // that is passed.
    let received = unsafe { call3(nr::RECVMSG, socket.raw(), at, MSG_CMSG_CLOEXEC) };
    if received.is_err() {
        return received;
    }
    into.grown(received.number());
    // Descriptors are the only control data that comes without having been asked for.
    if message.control_len == 0 {
        fds.0.len = 0;
    }
    if message.flags & TRUNCATED != 0 {
        return Ret::error(Errno::EMSGSIZE);
    }
    received
}

/// Writes a line in one piece, so that it stays whole among the lines of others.
pub fn write_line(fd: Fd, start: Str, line: &[u8]) -> Ret {
    let parts = [Part::of(start.bytes()), Part::of(line), Part::of(b"\n")];
    // SAFETY: the vector and what it names outlive the call.
    unsafe { call3(nr::WRITEV, fd.raw(), parts.as_ptr() as usize, parts.len()) }
}
