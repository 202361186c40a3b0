//! Lists of system calls, and the packets from the runtime, of which some are lists.

use super::{Fd, Ret, Str, call3, call5};
use crate::arch::nr;
use crate::errno::Errno;
use crate::phase;
use crate::tree::Tree;
use core::cell::Cell;
use hook_tree::Phase;
use hook_tree::calls::{ADDRESS, End, LIMIT, Machine, carry_out};
use hook_tree::sync::PACKET_LIMIT;

const PROT_READ_WRITE: usize = 3;
const MAP_PRIVATE: usize = 0x2;
const MAP_FIXED: usize = 0x10;
const MAP_ANONYMOUS: usize = 0x20;
/// Copies every page at once, so that the list stays what it is whatever becomes of the file.
const MAP_POPULATE: usize = 0x8000;
/// As MAP_FIXED, but an error where something is mapped.
const MAP_FIXED_NOREPLACE: usize = 0x10_0000;
/// Data or control data did not fit: MSG_TRUNC, MSG_CTRUNC.
const TRUNCATED: i32 = 0x20 | 0x8;
const MSG_CMSG_CLOEXEC: usize = 0x4000_0000;
/// Where the kernel puts the descriptors of a packet, and how much room is there: more than it ever passes in one
/// (SCM_MAX_FD is 253).
const CONTROL: usize = ADDRESS as usize + PACKET_LIMIT;
const CONTROL_SIZE: usize = 4096;
/// `struct cmsghdr`; the descriptors follow.
const CONTROL_HEADER: usize = 16;

/// The memory at [`ADDRESS`]: so many bytes of a packet or of a file. There is only one at a time.
pub struct List {
    length: usize,
    /// The first descriptor that came with a packet.
    fd: Fd,
}

/// Maps writable memory at [`ADDRESS`], where nothing but packets and lists ever is. The length when that worked.
fn map(length: usize, flags: usize, file: Fd) -> usize {
    let flags = MAP_PRIVATE | flags;
    let at = ADDRESS as usize;
    // SAFETY: the program lies below the address, stack and other mappings far above; only a `List` refers to what was
    // mapped there before, and that one is given up.
    let mapped = unsafe { call5(nr::MMAP, at, length, PROT_READ_WRITE, flags, file.raw()) };
    if mapped.is_err() { 0 } else { length }
}

impl List {
    /// Room for packets.
    pub fn for_packets() -> List {
        let flags = MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
        let length = map(PACKET_LIMIT + CONTROL_SIZE, flags, Fd::NONE);
        if length == 0 {
            crate::fail::out_of_memory();
        }
        List {
            length: 0,
            fd: Fd::NONE,
        }
    }

    /// Maps a file in the place of the packet. What it cannot map it takes for an empty list.
    pub fn replace(self, file: Fd) -> List {
        let size = super::size(file);
        let length = if size > LIMIT {
            0
        } else {
            map(size, MAP_FIXED | MAP_POPULATE, file)
        };
        file.close();
        List {
            length,
            fd: Fd::NONE,
        }
    }

    /// Waits for a packet, in the place of the last one. 0 when the other side is gone; EMSGSIZE for a packet, or a
    /// number of descriptors, that does not fit.
    pub fn receive(&mut self, socket: Fd) -> Ret {
        let part = [ADDRESS as usize, PACKET_LIMIT];
        // `struct msghdr`: name, its length, parts, their number, control data, its length, flags.
        let mut message = [0, 0, part.as_ptr() as usize, 1, CONTROL, CONTROL_SIZE, 0];
        let at = message.as_mut_ptr() as usize;
        // SAFETY: the one part and the control data lie within the room for packets.
        let received = unsafe { call3(nr::RECVMSG, socket.raw(), at, MSG_CMSG_CLOEXEC) };
        if received.is_err() {
            return received;
        }
        self.length = received.number();
        self.fd = Fd::NONE;
        let [.., control_length, flags] = message;
        if flags as i32 & TRUNCATED != 0 {
            return Ret::error(Errno::EMSGSIZE);
        }
        // Descriptors are the only control data that comes without having been asked for.
        if control_length > CONTROL_HEADER {
            // SAFETY: the kernel has put a descriptor there.
            self.fd = Fd(unsafe { *((CONTROL + CONTROL_HEADER) as *const i32) });
        }
        received
    }

    /// The first byte of a packet.
    pub fn kind(&self) -> u8 {
        // SAFETY: there is a whole page at least.
        unsafe { *(ADDRESS as *const u8) }
    }

    /// The first descriptor that has come.
    pub fn fd(&self) -> Fd {
        self.fd
    }

    fn words(&self) -> &[Cell<u64>] {
        // SAFETY: so many bytes are mapped there, aligned to a page; the calls of a list may change them, hence the cells.
        unsafe { core::slice::from_raw_parts(ADDRESS as *const Cell<u64>, self.length / 8) }
    }

    /// Carries it out, with the startContainer hooks of this tree.
    pub fn carry_out(&self, tree: Option<&mut Tree>) -> End {
        carry_out(self.words(), &mut Kernel(tree))
    }

    /// A text in it. Only what has failed has a text, and what is malformed never does, so NUL is the last byte.
    pub fn text(&self, address: u64) -> Option<Str<'_>> {
        if address.wrapping_sub(ADDRESS) >= size_of_val(self.words()) as u64 {
            return None;
        }
        // SAFETY: the text lies in the mapping, and NUL follows.
        unsafe { Str::from_raw(address as *const u8) }
    }
}

struct Kernel<'a>(Option<&'a mut Tree>);

impl Machine for Kernel<'_> {
    fn call(&mut self, number: u64, [a, b, c, d, e]: [u64; 5]) -> i64 {
        let (number, a, b) = (number as usize, a as usize, b as usize);
        // SAFETY: none but the runtime can write a list (docs/hook-tree.md), and it is as much to be believed as this
        // program: its calls concern its own list only.
        unsafe { call5(number, a, b, c as usize, d as usize, e as usize).0 as i64 }
    }

    fn run_hooks(&mut self) {
        if let Some(tree) = &mut self.0 {
            phase::run(tree, Phase::StartContainer, None);
            super::reap_strays();
        }
    }
}
