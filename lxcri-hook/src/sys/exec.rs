//! Executing programs and ending the process.

use super::{Buf, Result, call, signal};
use crate::arch::{self, nr};
use crate::errno::Errno;
use core::ffi::CStr;
use core::marker::PhantomData;

const CLOSE_RANGE_CLOEXEC: usize = 4;

/// A vector of pointers to strings that ends with NULL, as `execve` wants it.
#[derive(Clone, Copy)]
pub struct Pointers<'a>(&'a Buf, PhantomData<&'a CStr>);

impl<'a> Pointers<'a> {
    /// Collects the strings, with the vector in `memory`.
    pub fn collect(strings: impl Iterator<Item = &'a CStr>, memory: &'a mut Buf) -> Pointers<'a> {
        memory.clear();
        for string in strings {
            memory.push(&(string.as_ptr() as usize).to_ne_bytes());
        }
        memory.push(&0usize.to_ne_bytes());
        Pointers(memory, PhantomData)
    }

    /// Address of the vector.
    pub(super) fn address(self) -> usize {
        self.0.bytes().as_ptr() as usize
    }
}

/// Executes a program with default signal dispositions; returns only when that failed.
pub fn exec(path: &CStr, argv: Pointers, envp: Pointers) -> Errno {
    // The one disposition that execve would hand on. A child made by clone has dispositions of its own.
    if let Err(error) = signal::set_default(signal::SIGPIPE) {
        return error;
    }
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

/// Whether the working directory is below the root. The kernel names one that is not with `(unreachable)` in front.
pub fn cwd_is_reachable() -> bool {
    let mut path = Buf::new();
    let start = path.room(4096);
    // SAFETY: the room is as long as the kernel is told.
    match unsafe { call(nr::GETCWD, [start as usize, 4096]) } {
        Ok(count) => path.grown(count),
        Err(_) => return false,
    }
    path.bytes().starts_with(b"/")
}
