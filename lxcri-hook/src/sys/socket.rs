//! The packet socket to the runtime, with descriptors in both directions.

use super::{Buf, Fd, Result, call};
use crate::arch::nr;
use crate::errno::Errno;
use core::ffi::CStr;

const AF_UNIX: u16 = 1;
const SOCK_SEQPACKET_CLOEXEC: usize = 5 | super::open::CLOEXEC;
const SOL_SOCKET: i32 = 1;
const SCM_RIGHTS: i32 = 1;
const MSG_TRUNCATED: i32 = 0x20 | 0x8;
const MSG_NOSIGNAL: usize = 0x4000;
const MSG_CMSG_CLOEXEC: usize = 0x4000_0000;
/// The kernel passes at most 253 descriptors in one packet (SCM_MAX_FD).
const MAX_FDS: usize = 253;
const CONTROL_HEADER: usize = 16;
const CONTROL_SIZE: usize = CONTROL_HEADER + MAX_FDS.next_multiple_of(2) * 4;

#[repr(C)]
struct Message {
    name: usize,
    name_len: u32,
    parts: *const Part,
    part_count: usize,
    control: usize,
    control_len: usize,
    flags: i32,
}

#[repr(C)]
struct Part {
    start: *const u8,
    len: usize,
}

#[repr(C, align(8))]
struct Control {
    len: usize,
    level: i32,
    kind: i32,
    fds: [i32; MAX_FDS.next_multiple_of(2)],
}

/// A connection of packets.
pub struct Socket(Fd);

/// A packet: its kind, its payload, and how many descriptors came with it.
pub struct Packet<'a> {
    /// The first byte.
    pub kind: u8,
    /// The rest.
    pub payload: &'a [u8],
}

/// Descriptors that came with a packet, in order.
pub struct Received {
    fds: [Option<Fd>; MAX_FDS],
    count: usize,
}

impl Received {
    /// No descriptors.
    pub const fn new() -> Received {
        Received {
            fds: [const { None }; MAX_FDS],
            count: 0,
        }
    }

    /// Takes over what came with a packet; closes what was left of the packet before.
    fn take_from(&mut self, message: &Message, control: &Control) {
        self.drain().for_each(drop);
        self.count = 0;
        if message.control_len >= CONTROL_HEADER
            && control.level == SOL_SOCKET
            && control.kind == SCM_RIGHTS
        {
            self.count = (control.len.saturating_sub(CONTROL_HEADER) / 4).min(MAX_FDS);
            for (slot, fd) in self.fds.iter_mut().zip(control.fds).take(self.count) {
                *slot = Some(Fd::from_returned(fd as usize));
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The places of the descriptors.
    pub fn slots(&mut self) -> impl Iterator<Item = &mut Option<Fd>> {
        self.fds.iter_mut()
    }

    /// Takes the descriptors out in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Fd> {
        self.fds.iter_mut().filter_map(Option::take)
    }
}

impl Socket {
    /// Connects to the socket with this name. The name must be short: `sun_path` has 108 bytes.
    pub fn connect(name: &CStr) -> Result<Socket> {
        // SAFETY: takes numbers only.
        let fd = unsafe { call(nr::SOCKET, [AF_UNIX.into(), SOCK_SEQPACKET_CLOEXEC, 0]) }?;
        let socket = Socket(Fd::from_returned(fd));
        let mut address = [0u8; 110];
        let name = name.to_bytes();
        let (family, path) = address.split_at_mut(2);
        family.copy_from_slice(&AF_UNIX.to_ne_bytes());
        path.get_mut(..name.len())
            .ok_or(Errno::EINVAL)?
            .copy_from_slice(name);
        // SAFETY: `struct sockaddr_un` is the family and 108 bytes of path.
        unsafe {
            call(
                nr::CONNECT,
                [
                    socket.0.number() as usize,
                    address.as_ptr() as usize,
                    address.len(),
                ],
            )
        }?;
        Ok(socket)
    }

    /// The descriptor's number, to wait for the other side's end.
    pub fn number(&self) -> i32 {
        self.0.number()
    }

    /// Sends a packet, with a descriptor or without.
    pub fn send(&self, kind: u8, payload: &[u8], fd: Option<&Fd>) -> Result<()> {
        let kind = [kind];
        let parts = [
            Part {
                start: kind.as_ptr(),
                len: 1,
            },
            Part {
                start: payload.as_ptr(),
                len: payload.len(),
            },
        ];
        let mut control = Control {
            len: CONTROL_HEADER + 4,
            level: SOL_SOCKET,
            kind: SCM_RIGHTS,
            fds: [0; MAX_FDS.next_multiple_of(2)],
        };
        let mut message = Message {
            name: 0,
            name_len: 0,
            parts: parts.as_ptr(),
            part_count: parts.len(),
            control: 0,
            control_len: 0,
            flags: 0,
        };
        if let Some(fd) = fd {
            control.fds[0] = fd.number();
            message.control = &raw const control as usize;
            message.control_len = CONTROL_HEADER + 8;
        }
        loop {
            // SAFETY: `struct msghdr` with parts and control data that outlive the call; lengths are those of the parts.
            match unsafe {
                call(
                    nr::SENDMSG,
                    [
                        self.number() as usize,
                        &raw const message as usize,
                        MSG_NOSIGNAL,
                    ],
                )
            } {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for a packet of at most `limit` bytes and takes over its descriptors. `None` when the other side is gone.
    ///
    /// # Errors
    /// EMSGSIZE for a packet, or a number of descriptors, that does not fit; otherwise what `recvmsg` returns.
    pub fn receive<'a>(
        &self,
        into: &'a mut Buf,
        limit: usize,
        fds: &mut Received,
    ) -> Result<Option<Packet<'a>>> {
        into.clear();
        let room = into.room(limit)?;
        let parts = [Part {
            start: room.as_mut_ptr(),
            len: limit,
        }];
        let mut control = Control {
            len: 0,
            level: 0,
            kind: 0,
            fds: [0; MAX_FDS.next_multiple_of(2)],
        };
        let mut message = Message {
            name: 0,
            name_len: 0,
            parts: parts.as_ptr(),
            part_count: 1,
            control: &raw mut control as usize,
            control_len: CONTROL_SIZE,
            flags: 0,
        };
        let length = loop {
            // SAFETY: `struct msghdr` with one part of `limit` bytes, for which `room` has made space, and control
            // data of the size that is passed.
            match unsafe {
                call(
                    nr::RECVMSG,
                    [
                        self.number() as usize,
                        &raw mut message as usize,
                        MSG_CMSG_CLOEXEC,
                    ],
                )
            } {
                Ok(length) => break length,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        };
        // Owned before anything else can fail, so that none stays open.
        fds.take_from(&message, &control);
        if message.flags & MSG_TRUNCATED != 0 {
            return Err(Errno::EMSGSIZE);
        }
        into.grown(length);
        Ok(into.bytes().split_first().map(|(kind, payload)| Packet {
            kind: *kind,
            payload,
        }))
    }
}
