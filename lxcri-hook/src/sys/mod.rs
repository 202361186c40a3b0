//! Typed system calls. All memory that the kernel reads or writes is checked here, so the rest of the launcher is safe.

#[macro_use]
mod text;
mod buf;
mod child;
mod credentials;
mod exec;
mod file;
mod mount;
mod signal;
mod socket;
mod time;

pub use buf::Buf;
pub use child::{Spawn, reap_strays};
pub use credentials::*;
pub use exec::{Pointers, close_on_exec_from, cwd_is_reachable, exec, exit};
pub use file::*;
pub use mount::*;
pub use signal::exit_on_signals;
pub use socket::{Received, connect, receive, send, write_line};
pub use text::Str;
pub use time::{Clock, Poll, nanoseconds};

use crate::errno::Errno;
use crate::{arch, fail};

/// What a system call returned: a number, or an error.
#[derive(Clone, Copy)]
#[must_use]
pub struct Ret(isize);

impl Ret {
    /// An error.
    pub fn error(errno: Errno) -> Ret {
        Ret(-(errno.0 as isize))
    }

    /// The number; meaningless for an error.
    pub fn number(self) -> usize {
        self.0 as usize
    }

    /// The error; a number that stands for none when there was none.
    pub fn errno(self) -> Errno {
        Errno(-self.0 as i32)
    }

    /// Whether it is an error. No call here returns numbers that are negative.
    pub fn is_err(self) -> bool {
        self.0 < 0
    }

    /// The number as a descriptor, if it is no error.
    pub fn fd(self) -> Option<Fd> {
        Fd::from_number(self.0 as i32)
    }
}

/// Makes a call with at most three arguments.
///
/// # Safety
/// As for [`arch::syscall3`].
unsafe fn call3(number: usize, a: usize, b: usize, c: usize) -> Ret {
    // SAFETY: the caller's promise.
    Ret(unsafe { arch::syscall3(a, b, c, number) })
}

/// Makes a call with five arguments, which are all the kernel looks at in any call used here but `mmap`.
///
/// # Safety
/// As for [`arch::syscall3`].
unsafe fn call5(number: usize, a: usize, b: usize, c: usize, d: usize, e: usize) -> Ret {
    // SAFETY: the caller's promise. The offset of `mmap` means nothing for anonymous memory.
    Ret(unsafe { arch::syscall6(a, b, c, d, e, 0, number) })
}

/// Makes the process independent of what it inherited: descriptors above stdio, signal dispositions and mask.
pub fn prepare() {
    fill_stdio();
    // A kernel without the call is older than anything else here works on.
    close_from(3).or_die(fail::SYSTEM, text!("close_range"), None);
    signal::reset();
}
