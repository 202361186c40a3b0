//! A growing buffer of bytes straight from `mmap`, in place of an allocator.

use super::{Result, call};
use crate::arch::nr;

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

const PROT_READ_WRITE: usize = 3;
const MAP_PRIVATE_ANONYMOUS: usize = 0x22;
const MREMAP_MAYMOVE: usize = 1;

/// Bytes that grow by remapping whole pages.
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

    /// A buffer with the concatenation of these pieces, cut short when there is no memory. For messages.
    pub fn concat(pieces: &[&[u8]]) -> Buf {
        let mut buf = Buf::new();
        buf.append(pieces);
        buf
    }

    /// Appends pieces as far as there is memory. For messages.
    pub fn append(&mut self, pieces: &[&[u8]]) {
        for piece in pieces {
            if self.push(piece).is_err() {
                return;
            }
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
    ///
    /// # Errors
    /// ENOMEM; the buffer is unchanged then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let room = self.room(bytes.len())?;
        if let Some(room) = room.get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self.grown(bytes.len());
        Ok(())
    }

    /// The free memory after the bytes, at least `least`; what is written there counts after [`Buf::grown`].
    ///
    /// # Errors
    /// ENOMEM.
    pub fn room(&mut self, least: usize) -> Result<&mut [u8]> {
        let needed = self.len.saturating_add(least);
        if needed > self.capacity || self.start.is_null() {
            let capacity = needed
                .max(self.capacity.saturating_mul(2))
                .max(1)
                .next_multiple_of(4096);
            // SAFETY: a fresh anonymous mapping, or the growth of one that only this buffer knows.
            let start = unsafe {
                if self.start.is_null() {
                    call(
                        nr::MMAP,
                        [
                            0,
                            capacity,
                            PROT_READ_WRITE,
                            MAP_PRIVATE_ANONYMOUS,
                            usize::MAX,
                            0,
                        ],
                    )?
                } else {
                    call(
                        nr::MREMAP,
                        [self.start as usize, self.capacity, capacity, MREMAP_MAYMOVE],
                    )?
                }
            };
            self.start = start as *mut u8;
            self.capacity = capacity;
        }
        // SAFETY: the mapping has `capacity` bytes, all initialised (fresh pages are zero), and `len` is within.
        Ok(unsafe {
            core::slice::from_raw_parts_mut(self.start.add(self.len), self.capacity - self.len)
        })
    }

    /// Reads once from a descriptor, at most `limit` bytes, to the end of the buffer.
    pub fn read_from(&mut self, fd: &super::Fd, limit: usize) -> Result<usize> {
        let room = self.room(limit)?.get_mut(..limit).unwrap_or_default();
        let count = super::read(fd, room)?;
        self.grown(count);
        Ok(count)
    }

    /// Counts bytes that were written to [`Buf::room`].
    pub fn grown(&mut self, by: usize) {
        self.len = self.len.saturating_add(by).min(self.capacity);
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        if !self.start.is_null() {
            // SAFETY: the mapping is this buffer's own, and nothing borrows from it any more.
            unsafe { unmap(self.start, self.capacity) };
        }
    }
}

/// Maps fresh memory, all zero.
fn map(size: usize) -> Result<usize> {
    // SAFETY: a fresh anonymous mapping touches nothing that exists.
    unsafe {
        call(
            nr::MMAP,
            [
                0,
                size,
                PROT_READ_WRITE,
                MAP_PRIVATE_ANONYMOUS,
                usize::MAX,
                0,
            ],
        )
    }
}

/// Gives memory back.
///
/// # Safety
/// The memory was mapped by [`map`], and nobody uses it any more.
unsafe fn unmap(start: *mut u8, size: usize) {
    // SAFETY: the caller's promise.
    let _ = unsafe { call(nr::MUNMAP, [start as usize, size]) };
}

/// A value in a page of its own: what `Box` would be.
pub struct Page<T>(NonNull<T>);

impl<T> Page<T> {
    /// Moves a value there. Without memory there is nothing left to do but end with a code that says so.
    pub fn new(value: T) -> Page<T> {
        const {
            assert!(
                size_of::<T>() <= 4096 && align_of::<T>() <= 4096 && !core::mem::needs_drop::<T>()
            )
        };
        match map(4096)
            .ok()
            .and_then(|start| NonNull::new(start as *mut T))
        {
            Some(page) => {
                // SAFETY: the page is fresh, large enough and aligned.
                unsafe { page.write(value) };
                Page(page)
            }
            None => {
                super::write_stderr(b"lxcri-hook: mmap(): cannot allocate memory (ENOMEM)\n");
                super::exit(crate::fail::NO_MEMORY)
            }
        }
    }
}

impl<T> Deref for Page<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the page is mapped as long as the value lives.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for Page<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and exclusively borrowed.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for Page<T> {
    fn drop(&mut self) {
        // SAFETY: the page is this value's own.
        unsafe { unmap(self.0.as_ptr().cast(), 4096) };
    }
}
