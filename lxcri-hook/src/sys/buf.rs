//! A growing buffer of bytes straight from `mmap`, in place of an allocator.

use super::{Fd, Ret, Str, call3, call6};
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
            // Not null, so that an empty buffer is a valid slice.
            start: core::ptr::dangling_mut(),
            len: 0,
            capacity: 0,
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `start` maps `capacity` initialised bytes, and `len` is at most `capacity`.
        unsafe { core::slice::from_raw_parts(self.start, self.len) }
    }

    /// The string up to the first NUL, or all of the bytes.
    pub fn text(&mut self) -> Str<'_> {
        // SAFETY: there is room for the NUL, and the borrow keeps the bytes as they are.
        unsafe {
            self.room(1).write(0);
            Str::from_raw(self.start)
        }
    }

    /// [`Buf::text`] of a buffer that is no longer needed as such; its memory is never given back.
    pub fn into_text(mut self) -> Str<'static> {
        let start = self.text().address() as *const u8;
        // SAFETY: as above, and nobody has the buffer any more.
        unsafe { Str::from_raw(start) }
    }

    /// Forgets the first bytes, at most all.
    pub fn discard_front(&mut self, count: usize) {
        let count = count.min(self.len);
        self.len -= count;
        // SAFETY: both ranges lie within the bytes of the mapping; they may overlap.
        unsafe { core::ptr::copy(self.start.add(count), self.start, self.len) };
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

    /// Appends a string without its NUL.
    pub fn push_text(&mut self, text: Str) {
        self.push(text.bytes());
    }

    /// Reads once from a descriptor, at most `limit` bytes, to the end of the buffer.
    pub fn read_from(&mut self, fd: Fd, limit: usize) -> Ret {
        self.fill(nr::READ, fd, limit)
    }

    /// Reads directory entries, as `struct linux_dirent64`, to the end of the buffer.
    pub fn read_entries(&mut self, dir: Fd) -> Ret {
        self.fill(nr::GETDENTS64, dir, 4096)
    }

    fn fill(&mut self, number: usize, fd: Fd, limit: usize) -> Ret {
        let room = self.room(limit);
        // SAFETY: both calls write at most `limit` bytes, for which there is room.
        let filled = unsafe { call3(number, fd.raw(), room as usize, limit) };
        if !filled.is_err() {
            self.len += filled.number();
        }
        filled
    }

    /// Makes place for at least so many bytes after the present ones, and says where.
    pub(super) fn room(&mut self, least: usize) -> *mut u8 {
        let needed = self.len.saturating_add(least);
        if needed > self.capacity {
            let capacity = needed.saturating_mul(2).saturating_add(4095) & !4095;
            // SAFETY: a fresh anonymous mapping, or the growth of one that only this buffer knows and nothing borrows.
            let start = unsafe {
                if self.capacity == 0 {
                    let rest = [MAP_PRIVATE_ANONYMOUS, usize::MAX, 0];
                    call6(nr::MMAP, [0, capacity, PROT_READ_WRITE], rest)
                } else {
                    let now = [self.start as usize, self.capacity, capacity];
                    call6(nr::MREMAP, now, [MREMAP_MAYMOVE, 0, 0])
                }
            };
            if start.is_err() {
                fail::out_of_memory();
            }
            self.start = start.number() as *mut u8;
            self.capacity = capacity;
        }
        // SAFETY: `len` is at most the capacity of the mapping.
        unsafe { self.start.add(self.len) }
    }

    /// Counts bytes that were written to [`Buf::room`].
    pub(super) fn grown(&mut self, by: usize) {
        self.len += by;
    }
}
