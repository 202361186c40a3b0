//! Executing programs and ending the process.

use super::{Buf, Ret, Str, call3};
use crate::arch::{self, nr};
use core::marker::PhantomData;
use hook_tree::Strings;

const PR_SET_DUMPABLE: usize = 4;
/// MNT_DETACH and UMOUNT_NOFOLLOW.
const DETACH: usize = 2 | 8;

/// A vector of pointers to strings that ends with NULL, as `execve` wants it.
#[derive(Clone, Copy)]
pub struct Pointers<'a>(usize, PhantomData<&'a [u8]>);

impl<'a> Pointers<'a> {
    /// Collects the strings, with the vector in `memory`.
    pub fn collect(mut strings: Strings<'a>, memory: &'a mut Buf) -> Pointers<'a> {
        memory.truncate(0);
        // Each string is followed by NUL in its buffer: that is what `Strings` is.
        while let Some(string) = strings.next_bytes() {
            memory.push(&(string.as_ptr() as usize).to_ne_bytes());
        }
        memory.push(&[0; size_of::<usize>()]);
        Pointers(memory.bytes().as_ptr() as usize, PhantomData)
    }
}

/// Executes a program; returns only when that failed.
pub fn exec(path: Str, argv: Pointers, envp: Pointers) -> Ret {
    // SAFETY: the path ends with NUL; both vectors end with NULL and hold strings that outlive the call.
    unsafe { call3(nr::EXECVE, path.address(), argv.0, envp.0) }
}

/// Ends the process, also where a seccomp filter does not allow that: with SIGILL then.
pub fn exit(code: u8) -> ! {
    // SAFETY: takes a number and does not return.
    unsafe { arch::syscall3(code.into(), 0, 0, nr::EXIT_GROUP) };
    arch::trap()
}

/// Detaches what is mounted at a path.
pub fn detach(path: Str) -> Ret {
    // SAFETY: the path ends with NUL.
    unsafe { call3(nr::UMOUNT2, path.address(), DETACH, 0) }
}

/// Keeps other processes of the same user, even in a container, from looking into this one until it executes.
pub fn set_undumpable() -> Ret {
    // SAFETY: takes numbers only.
    unsafe { call3(nr::PRCTL, PR_SET_DUMPABLE, 0, 0) }
}
