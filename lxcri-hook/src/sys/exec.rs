//! Executing programs and ending the process.

use super::{Buf, Result, call};
use crate::arch::{self, nr};
use crate::errno::Errno;
use core::ffi::CStr;
use core::marker::PhantomData;

const CLOSE_RANGE_CLOEXEC: usize = 4;

/// A vector of pointers to strings that ends with NULL, as `execve` wants it.
pub struct Pointers<'a> {
    words: Buf,
    strings: PhantomData<&'a CStr>,
}

impl<'a> Pointers<'a> {
    /// Collects the strings.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn collect(strings: impl Iterator<Item = &'a CStr>) -> Result<Pointers<'a>> {
        let mut words = Buf::new();
        for string in strings {
            words.push(&(string.as_ptr() as usize).to_ne_bytes())?;
        }
        words.push(&0usize.to_ne_bytes())?;
        Ok(Pointers {
            words,
            strings: PhantomData,
        })
    }

    /// Address of the vector.
    pub(super) fn address(&self) -> usize {
        self.words.bytes().as_ptr() as usize
    }
}

/// Executes a program; returns only when that failed.
pub fn exec(path: &CStr, argv: &Pointers, envp: &Pointers) -> Errno {
    // SAFETY: the path ends with NUL; both vectors end with NULL and hold strings that outlive the call.
    match unsafe {
        call(
            nr::EXECVE,
            [path.as_ptr() as usize, argv.address(), envp.address()],
        )
    } {
        Err(error) => error,
        Ok(_) => Errno::EINVAL,
    }
}

/// Ends the process.
pub fn exit(code: u8) -> ! {
    loop {
        // SAFETY: takes a number and does not return.
        unsafe { arch::syscall3(code.into(), 0, 0, nr::EXIT_GROUP) };
    }
}

/// Marks every descriptor from this number on close-on-exec.
pub fn close_on_exec_from(first: usize) -> Result<()> {
    // SAFETY: takes numbers only.
    unsafe {
        call(
            nr::CLOSE_RANGE,
            [first, u32::MAX as usize, CLOSE_RANGE_CLOEXEC],
        )
    }
    .map(drop)
}

/// The working directory as the kernel names it, with the NUL; starts with `(` when it is not below the root.
pub fn getcwd(into: &mut [u8]) -> Result<usize> {
    // SAFETY: pointer and length belong to one exclusive slice.
    unsafe { call(nr::GETCWD, [into.as_mut_ptr() as usize, into.len()]) }
}
