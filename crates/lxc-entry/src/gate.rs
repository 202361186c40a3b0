//! The packet that opens the gate.
//!
//! It travels over a socket pair (`AF_UNIX`, `SOCK_SEQPACKET`), one end of which `lxc-start` inherits. That first sends [`READY`].
//! The packet says how many descriptors of each kind come with it by `SCM_RIGHTS`. The answer is the pid of the process that goes on,
//! in the machine's byte order. A connection that ends says that something failed.

use core::ffi::c_int;

/// The number of the socket in `lxc-start`.
pub const SOCKET: c_int = 3;

/// What `lxc-start` sends when it waits: a letter, and the version of what is said here. Runtime and library are two files.
pub const READY: [u8; 2] = *b"R1";

/// Greatest number of descriptors of each kind.
pub const LIMIT: usize = 16;

/// Bytes of a packet.
pub const PACKET: usize = 3;

/// How many descriptors come with a packet, in this order, after that of the container's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The v2 cgroup to be born in: one or none.
    pub cgroups: usize,
    /// Files of v1 cgroups.
    pub tasks: usize,
    /// Namespaces.
    pub namespaces: usize,
}

impl Counts {
    /// The packet. `None` if there are too many.
    pub fn packet(self) -> Option<[u8; PACKET]> {
        let packet = [self.cgroups, self.tasks, self.namespaces];
        let packet = packet.map(|count| count.min(u8::MAX.into()) as u8);
        Counts::read(&packet).map(|_| packet)
    }

    /// Reads a packet. `None` if it is none.
    pub fn read(packet: &[u8]) -> Option<Counts> {
        let packet: [u8; PACKET] = packet.try_into().ok()?;
        let [cgroups, tasks, namespaces] = packet.map(usize::from);
        (cgroups <= 1 && tasks <= LIMIT && namespaces <= LIMIT).then_some(Counts {
            cgroups,
            tasks,
            namespaces,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (cgroups, tasks, namespaces) in [(0, 0, 0), (1, 10, 3), (1, LIMIT, LIMIT)] {
            let counts = Counts {
                cgroups,
                tasks,
                namespaces,
            };
            assert_eq!(Counts::read(&counts.packet().unwrap()), Some(counts));
        }
    }

    #[test]
    fn what_is_too_much_is_neither_written_nor_read() {
        for (cgroups, tasks, namespaces) in [(2, 0, 0), (0, 17, 0), (0, 0, 17), (0, 256, 0)] {
            let counts = Counts {
                cgroups,
                tasks,
                namespaces,
            };
            assert_eq!(counts.packet(), None);
        }
        for packet in [
            &b""[..],
            b"\0\0",
            b"\0\0\0\0",
            b"\x02\0\0",
            b"\0\x11\0",
            b"\0\0\xff",
        ] {
            assert_eq!(Counts::read(packet), None);
        }
    }
}
