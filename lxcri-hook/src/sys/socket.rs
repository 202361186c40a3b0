//! The packet socket to the runtime, with descriptors in both directions.

use super::{Buf, Fd, Result, call, open};
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
const FD_SIZE: usize = size_of::<Fd>();

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
    fds: [Fd; MAX_FDS],
}

/// The descriptors that came with a packet.
pub struct Received(Control);

impl Received {
    /// Room for descriptors.
    pub const fn new() -> Received {
        let fds = [super::STDIO[0]; MAX_FDS];
        Received(Control {
            len: 0,
            level: 0,
            kind: 0,
            fds,
        })
    }

    /// The descriptors in order.
    pub fn fds(&mut self) -> &mut [Fd] {
        let count = self.0.len.saturating_sub(CONTROL_HEADER) / FD_SIZE;
        self.0.fds.get_mut(..count).unwrap_or_default()
    }
}

/// Connects to the socket `sync` in the working directory.
pub fn connect() -> Result<Fd> {
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
    let fd = unsafe { call(nr::SOCKET, [1, SOCK_SEQPACKET | open::CLOEXEC, 0]) }?;
    // SAFETY: the beginning of `struct sockaddr_un`, and its length.
    unsafe { call(nr::CONNECT, [fd, &raw const address as usize, 7]) }?;
    Ok(Fd::from_returned(fd))
}

/// Sends a packet, with a descriptor or without.
pub fn send(socket: Fd, kind: u8, payload: &[u8], fd: Option<Fd>) -> Result<()> {
    #[repr(C)]
    struct OneFd {
        len: usize,
        level: i32,
        kind: i32,
        fds: [Fd; 2],
    }
    let fds = [fd.unwrap_or(socket); 2];
    let mut control = OneFd {
        len: CONTROL_HEADER + FD_SIZE,
        level: SOL_SOCKET,
        kind: SCM_RIGHTS,
        fds,
    };
    // A variable: a temporary would be gone before the call.
    let kind = [kind];
    let parts = [Part::of(&kind), Part::of(payload)];
    let message = Message {
        name: 0,
        name_len: 0,
        parts: parts.as_ptr(),
        part_count: parts.len(),
        control: (&raw mut control).cast(),
        control_len: if fd.is_some() { size_of::<OneFd>() } else { 0 },
        flags: 0,
    };
    let socket = socket.number() as usize;
    // SAFETY: a `struct msghdr` whose parts and control data outlive the call, with their lengths.
    unsafe {
        call(
            nr::SENDMSG,
            [socket, &raw const message as usize, MSG_NOSIGNAL],
        )
    }
    .map(drop)
}

/// Waits for a packet of at most `limit` bytes; the buffer is empty when the other side is gone.
///
/// # Errors
/// EMSGSIZE for a packet, or a number of descriptors, that does not fit; otherwise what `recvmsg` returns.
pub fn receive(socket: Fd, into: &mut Buf, limit: usize, fds: &mut Received) -> Result<()> {
    into.clear();
    let parts = [Part {
        start: into.room(limit),
        len: limit,
    }];
    fds.0.len = 0;
    let mut message = Message {
        name: 0,
        name_len: 0,
        parts: parts.as_ptr(),
        part_count: 1,
        control: &raw mut fds.0,
        control_len: size_of::<Control>(),
        flags: 0,
    };
    let socket = socket.number() as usize;
    // SAFETY: a `struct msghdr` with one part of `limit` bytes, for which there is room, and control data of the size
    // that is passed.
    let length = unsafe {
        call(
            nr::RECVMSG,
            [socket, &raw mut message as usize, MSG_CMSG_CLOEXEC],
        )
    }?;
    into.grown(length);
    if message.control_len < CONTROL_HEADER || fds.0.level != SOL_SOCKET || fds.0.kind != SCM_RIGHTS
    {
        fds.0.len = 0;
    }
    if message.flags & TRUNCATED == 0 {
        Ok(())
    } else {
        Err(Errno::EMSGSIZE)
    }
}

/// Writes pieces as one, so that they stay together among the lines of others.
pub fn write_pieces<const N: usize>(fd: Fd, pieces: [&[u8]; N]) -> Result<()> {
    let parts = pieces.map(Part::of);
    // SAFETY: the vector and what it names outlive the call.
    unsafe {
        call(
            nr::WRITEV,
            [fd.number() as usize, parts.as_ptr() as usize, N],
        )
    }
    .map(drop)
}
