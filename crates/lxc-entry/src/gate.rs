//! The packet that opens the gate.
//!
//! It travels over a socket pair (`AF_UNIX`, `SOCK_SEQPACKET`), one end of which `lxc-start` inherits. That first sends [`READY`].
//! It answers the packet with the pid of the process that goes on, in the machine's byte order. A connection that ends says that
//! something failed.

use core::ffi::{CStr, c_int};

use crate::{Entry, Shell};

/// The number of the socket in `lxc-start`.
pub const SOCKET: c_int = 3;

/// What `lxc-start` sends when it waits: a letter, and the version of what is said here. Runtime and library are two files.
pub const READY: [u8; 2] = *b"R1";

/// Greatest packet in bytes: three numbers and four paths.
pub const PACKET_LIMIT: usize = 20 << 10;

/// Greatest number of descriptors of each kind.
pub const LIMIT: usize = 16;

/// What a process enters, as it is sent.
pub struct Packet<'a> {
    /// The v2 cgroup, if there is one, files of v1 cgroups, namespaces: how many descriptors of each come by `SCM_RIGHTS`, after
    /// that of the container's directory.
    pub counts: [u8; 3],
    /// The directory that covers the cgroups; the shell, its mount point and its cover, all empty where it stays.
    pub paths: [&'a CStr; 4],
}

impl<'a> Packet<'a> {
    /// Describes an entry. `None` if it has too many descriptors.
    pub fn of(entry: &Entry<'a>, has_cgroup: bool) -> Option<Packet<'a>> {
        let count = |n: usize| (n <= LIMIT).then_some(n as u8);
        let shell = entry.shell.as_ref();
        let path = |path: fn(&Shell<'a>) -> &'a CStr| shell.map_or(c"", path);
        Some(Packet {
            counts: [
                has_cgroup.into(),
                count(entry.tasks.len())?,
                count(entry.namespaces.len())?,
            ],
            paths: [
                entry.cover,
                path(|s| s.path),
                path(|s| s.mount_point),
                path(|s| s.cover),
            ],
        })
    }

    /// The bytes of the packet, piece by piece.
    pub fn pieces(&self) -> [&[u8]; 5] {
        let [cover, shell, mount_point, program] = self.paths.map(CStr::to_bytes_with_nul);
        [&self.counts, cover, shell, mount_point, program]
    }

    /// Reads a packet. `None` if it is none.
    pub fn read(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let (counts, strings) = bytes.split_first_chunk::<3>()?;
        let mut strings = strings.split_inclusive(|byte| *byte == 0);
        let mut path = || CStr::from_bytes_with_nul(strings.next()?).ok();
        let paths = [path()?, path()?, path()?, path()?];
        let fits = counts.iter().all(|count| usize::from(*count) <= LIMIT);
        (strings.next().is_none() && fits && counts[0] <= 1).then_some(Packet {
            counts: *counts,
            paths,
        })
    }

    /// The shell that is covered.
    pub fn shell(&self) -> Option<Shell<'a>> {
        let [_, path, mount_point, cover] = self.paths;
        (!path.is_empty()).then_some(Shell {
            path,
            mount_point,
            cover,
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    fn bytes(packet: &Packet) -> Vec<u8> {
        packet.pieces().concat()
    }

    #[test]
    fn what_is_written_is_read() {
        let shell = Shell {
            path: c"/bin/sh",
            mount_point: c"/",
            cover: c"/hook",
        };
        let mut entry = Entry {
            directory: 4,
            tasks: &[5, 6],
            cover: c"/cover",
            shell: Some(shell),
            namespaces: &[(7, 0)],
        };
        let sent = bytes(&Packet::of(&entry, true).unwrap());
        let read = Packet::read(&sent).unwrap();
        assert_eq!(read.counts, [1, 2, 1]);
        assert_eq!(read.paths[0], c"/cover");
        let shell = read.shell().unwrap();
        assert_eq!(
            [shell.path, shell.mount_point, shell.cover],
            [c"/bin/sh", c"/", c"/hook"]
        );
        entry.shell = None;
        let sent = bytes(&Packet::of(&entry, false).unwrap());
        let read = Packet::read(&sent).unwrap();
        assert_eq!(read.counts, [0, 2, 1]);
        assert!(read.shell().is_none());
        entry.tasks = &[0; LIMIT + 1];
        assert!(Packet::of(&entry, false).is_none());
    }

    #[test]
    fn what_is_no_packet_is_not_read() {
        for bytes in [
            &b""[..],
            b"\x00\x00",
            b"\x00\x00\x00",
            b"\x00\x00\x00a\0b\0c\0",
            b"\x00\x00\x00a\0b\0c\0d",
            b"\x00\x00\x00a\0b\0c\0d\0e",
            b"\x02\x00\x00a\0b\0c\0d\0",
            b"\x00\x11\x00a\0b\0c\0d\0",
        ] {
            assert!(Packet::read(bytes).is_none(), "{bytes:?}");
        }
    }
}
