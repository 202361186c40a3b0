//! Executing programs and ending the process.

use super::{Buf, Ret, Str, call3, signal};
use crate::arch::{self, nr};
use core::marker::PhantomData;
use hook_tree::Strings;

const CLOSE_RANGE_CLOEXEC: usize = 4;

/// A vector of pointers to strings that ends with NULL, as `execve` wants it.
#[derive(Clone, Copy)]
pub struct Pointers<'a>(usize, PhantomData<&'a [u8]>);

impl<'a> Pointers<'a> {
    /// Collects the strings, with the vector in `memory`.
    pub fn collect(mut strings: Strings<'a>, memory: &'a mut Buf) -> Pointers<'a> {
        memory.clear();
        // Each string is followed by NUL in its buffer: that is what `Strings` is.
        while let Some(string) = strings.next_bytes() {
            memory.push(&(string.as_ptr() as usize).to_ne_bytes());
        }
        memory.push(&[0; size_of::<usize>()]);
        Pointers(memory.bytes().as_ptr() as usize, PhantomData)
    }
}

/// Executes a program with default signal dispositions; returns only when that failed.
pub fn exec(path: Str, argv: Pointers, envp: Pointers) -> Ret {
    // The one disposition that execve would hand on. A child made by clone has dispositions of its own.
    signal::restore_sigpipe();
    // SAFETY: the path ends with NUL; both vectors end with NULL and hold strings that outlive the call.
    unsafe { call3(nr::EXECVE, path.address(), argv.0, envp.0) }
}

/// Ends the process.
pub fn exit(code: u8) -> ! {
    loop {
        // SAFETY: takes a number and does not return.
        unsafe { arch::syscall3(code.into(), 0, 0, nr::EXIT_GROUP) };
    }
}

/// Marks every descriptor from this number on close-on-exec.
pub fn close_on_exec_from(first: usize) -> Ret {
    // SAFETY: takes numbers only.
    unsafe {
        call3(
            nr::CLOSE_RANGE,
            first,
            u32::MAX as usize,
            CLOSE_RANGE_CLOEXEC,
        )
    }
}

/// Whether the working directory is below the root. The kernel names one that is not with `(unreachable)` in front.
pub fn cwd_is_reachable() -> bool {
    let mut path = Buf::new();
    let start = path.room(4096);
    // SAFETY: the room is as long as the kernel is told.
    let named = unsafe { call3(nr::GETCWD, start as usize, 4096, 0) };
    path.grown(1);
    !named.is_err() && path.bytes() == b"/"
}
