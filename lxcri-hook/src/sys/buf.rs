//! A growing buffer of bytes straight from `mmap`, in place of an allocator.

use super::{Fd, Ret, Str, call3, call5};
use crate::arch::nr;
use crate::fail;

const PROT_READ_WRITE: usize = 3;
const MAP_PRIVATE_ANONYMOUS: usize = 0x22;
const MREMAP_MAYMOVE: usize = 1;

/// Bytes that grow by remapping whole pages. They are never given back: the launcher is short-lived, uses the same
/// buffers for every hook, and is the smaller for it. Without memory the launcher ends.
pub struct Buf(*mut Header);

impl Default for Buf {
    fn default() -> Buf {
        Buf::new()
    }
}

/// What a mapping begins with; the bytes follow.
struct Header {
    len: usize,
    capacity: usize,
}

const HEADER: usize = size_of::<Header>();
const PAGE: usize = 4096;
/// How much is read at once where much may come: the capacity of a pipe.
pub const READ_SIZE: usize = 64 << 10;

impl Buf {
    /// An empty buffer; takes no memory.
    pub const fn new() -> Buf {
        Buf(core::ptr::null_mut())
    }

    /// The bytes.
    #[inline(never)]
    pub fn bytes(&self) -> &[u8] {
        if self.0.is_null() {
            return &[];
        }
        // SAFETY: the mapping holds the header and `capacity` initialised bytes after it; `len` is at most `capacity`.
        unsafe { core::slice::from_raw_parts(self.0.add(1).cast(), (*self.0).len) }
    }

    /// The string from this byte on, up to the first NUL or the end; empty behind that.
    #[inline(never)]
    pub fn text_from(&mut self, start: usize) -> Str<'_> {
        // SAFETY: there is room for the NUL.
        unsafe { self.room(1).write(0) };
        let from = self.from(start);
        if from.is_empty() {
            return text!("");
        }
        // SAFETY: NUL follows, and the borrow keeps the bytes as they are.
        unsafe { Str::from_raw(from.as_ptr()).unwrap_or(text!("")) }
    }

    /// The string up to the first NUL or the end.
    pub fn text(&mut self) -> Str<'_> {
        self.text_from(0)
    }

    /// Keeps at most so many bytes, from the end.
    #[inline(never)]
    pub fn keep_last(&mut self, most: usize) {
        let (start, len) = (self.bytes().as_ptr().cast_mut(), self.bytes().len());
        if len > most {
            // SAFETY: both ranges lie within the bytes of the mapping, which exists; they may overlap.
            unsafe {
                core::ptr::copy(start.add(len - most), start, most);
                (*self.0).len = most;
            }
        }
    }

    /// Keeps at most so many bytes, from the beginning, and the memory.
    #[inline(never)]
    pub fn truncate(&mut self, most: usize) {
        if self.len() > most {
            // SAFETY: a buffer with bytes has a header.
            unsafe { (*self.0).len = most };
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// The bytes from this one on.
    pub fn from(&self, start: usize) -> &[u8] {
        self.bytes().get(start..).unwrap_or_default()
    }

    /// The number at this place, of a buffer that holds numbers only; 0 behind its end.
    pub fn word(&self, index: usize) -> usize {
        let (words, _) = self.bytes().as_chunks();
        words
            .get(index)
            .map_or(0, |word| usize::from_ne_bytes(*word))
    }

    /// Appends bytes.
    #[inline(never)]
    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.room(bytes.len());
        // SAFETY: the room is at least as long, and a borrowed slice does not overlap memory borrowed exclusively.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), room, bytes.len()) };
        self.grown(bytes.len());
    }

    /// What encoders write to it with. One closure for all of them, so that there is one copy of each encoder.
    pub fn sink(&mut self) -> impl FnMut(&[u8]) {
        |piece| self.push(piece)
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
        self.fill(nr::GETDENTS64, dir, PAGE)
    }

    #[inline(never)]
    fn fill(&mut self, number: usize, fd: Fd, limit: usize) -> Ret {
        let room = self.room(limit);
        // SAFETY: both calls write at most `limit` bytes, for which there is room.
        let filled = unsafe { call3(number, fd.raw(), room as usize, limit) };
        if !filled.is_err() {
            self.grown(filled.number());
        }
        filled
    }

    /// Makes place for at least so many bytes after the present ones, and says where.
    #[inline(never)]
    pub(super) fn room(&mut self, least: usize) -> *mut u8 {
        let len = self.bytes().len();
        let mut capacity = 0;
        if !self.0.is_null() {
            // SAFETY: a buffer with memory has a header.
            capacity = unsafe { (*self.0).capacity };
        }
        let needed = len.saturating_add(least);
        if needed > capacity || self.0.is_null() {
            let size = needed.saturating_mul(2).saturating_add(HEADER + PAGE - 1) & !(PAGE - 1);
            // SAFETY: a fresh anonymous mapping, or the growth of one that only this buffer knows and nothing borrows.
            let start = unsafe {
                if self.0.is_null() {
                    call5(
                        nr::MMAP,
                        0,
                        size,
                        PROT_READ_WRITE,
                        MAP_PRIVATE_ANONYMOUS,
                        usize::MAX,
                    )
                } else {
                    let now = self.0 as usize;
                    call5(nr::MREMAP, now, capacity + HEADER, size, MREMAP_MAYMOVE, 0)
                }
            };
            if start.is_err() {
                fail::out_of_memory();
            }
            self.0 = start.number() as *mut Header;
            // SAFETY: the mapping begins with the header, which is zero when it is fresh.
            unsafe { (*self.0).capacity = size - HEADER };
        }
        // SAFETY: `len` is at most the capacity of the mapping.
        unsafe { self.0.add(1).cast::<u8>().add(len) }
    }

    /// Counts bytes that were written to [`Buf::room`], which has made sure of the header.
    pub(super) fn grown(&mut self, by: usize) {
        if !self.0.is_null() {
            // SAFETY: a buffer with memory has a header.
            unsafe { (*self.0).len += by };
        }
    }
}
