//! A growing buffer of bytes straight from `mmap`, in place of an allocator.

use super::{Fd, Result, call};
use crate::arch::nr;
use crate::fail;

const PROT_READ_WRITE: usize = 3;
const MAP_PRIVATE_ANONYMOUS: usize = 0x22;
const MREMAP_MAYMOVE: usize = 1;

/// Bytes that grow by remapping whole pages. They are never given back: the launcher is short-lived, uses the same
/// buffers for every hook, and is the smaller for it. Without memory the launcher ends.
pub struct Buf {
    start: *mut u8,
    len: usize,
    capacity: usize,
}

impl Buf {
    /// An empty buffer; takes no memory.
    pub const fn new() -> Buf {
        Buf {
            start: core::ptr::null_mut(),
            len: 0,
            capacity: 0,
        }
    }

    /// A buffer with the concatenation of these pieces.
    pub fn concat(pieces: &[&[u8]]) -> Buf {
        let mut buf = Buf::new();
        buf.append(pieces);
        buf
    }

    /// Appends pieces.
    pub fn append(&mut self, pieces: &[&[u8]]) {
        for piece in pieces {
            self.push(piece);
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        if self.start.is_null() {
            return &[];
        }
        // SAFETY: `start` maps `capacity` initialised bytes, and `len` is at most `capacity`.
        unsafe { core::slice::from_raw_parts(self.start, self.len) }
    }

    /// The string up to the first NUL.
    pub fn string(&self) -> &core::ffi::CStr {
        core::ffi::CStr::from_bytes_until_nul(self.bytes()).unwrap_or_default()
    }

    /// Forgets the first bytes, at most all.
    pub fn discard_front(&mut self, count: usize) {
        let count = count.min(self.len);
        if count > 0 {
            // SAFETY: both ranges lie within the first `len` bytes of the mapping; they may overlap.
            unsafe { core::ptr::copy(self.start.add(count), self.start, self.len - count) };
            self.len -= count;
        }
    }

    /// Forgets the bytes and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.room(bytes.len());
        // SAFETY: the room is at least as long, and a borrowed slice does not overlap memory borrowed exclusively.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), room, bytes.len()) };
        self.len += bytes.len();
    }

    /// Reads once from a descriptor, at most `limit` bytes, to the end of the buffer.
    pub fn read_from(&mut self, fd: Fd, limit: usize) -> Result<usize> {
        let room = self.room(limit);
        // SAFETY: the room is at least `limit` long.
        let count = unsafe { call(nr::READ, [fd.number() as usize, room as usize, limit]) }?;
        self.len += count;
        Ok(count)
    }

    /// Reads directory entries, as `struct linux_dirent64`, in place of what the buffer held.
    pub fn read_entries(&mut self, dir: Fd) -> Result<usize> {
        const ROOM: usize = 4096;
        self.clear();
        let room = self.room(ROOM);
        // SAFETY: the room is as long as the kernel is told.
        self.len = unsafe { call(nr::GETDENTS64, [dir.number() as usize, room as usize, ROOM]) }?;
        Ok(self.len)
    }

    /// Makes place for at least so many bytes after the present ones, and says where.
    pub(super) fn room(&mut self, least: usize) -> *mut u8 {
        let needed = self.len.saturating_add(least);
        if needed > self.capacity {
            let capacity = needed.saturating_mul(2).saturating_add(4095) & !4095;
            // SAFETY: a fresh anonymous mapping, or the growth of one that only this buffer knows and nothing borrows.
            let start = unsafe {
                if self.start.is_null() {
                    let anywhere = [
                        0,
                        capacity,
                        PROT_READ_WRITE,
                        MAP_PRIVATE_ANONYMOUS,
                        usize::MAX,
                        0,
                    ];
                    call(nr::MMAP, anywhere)
                } else {
                    let grown = [self.start as usize, self.capacity, capacity, MREMAP_MAYMOVE];
                    call(nr::MREMAP, grown)
                }
            };
            match start {
                Ok(start) => self.start = start as *mut u8,
                Err(_) => fail::out_of_memory(),
            }
            self.capacity = capacity;
        }
        // SAFETY: `len` is at most the capacity of the mapping; with neither, null plus 0 is null.
        unsafe { self.start.add(self.len) }
    }

    /// Counts bytes that were written to [`Buf::room`].
    pub(super) fn grown(&mut self, by: usize) {
        self.len += by;
    }
}
