//! Typed system calls. All memory that the kernel reads or writes is checked here, so the rest of the launcher is safe.

#[macro_use]
mod text;
mod buf;
mod child;
mod exec;
mod file;
mod list;
mod signal;
mod socket;
mod time;

pub use buf::{Buf, READ_SIZE};
pub use child::{Spawn, reap_strays};
pub use exec::{Pointers, detach, exec, exit, set_undumpable};
pub use file::*;
pub use list::List;
pub use socket::{connect, send, socket, write_line};
pub use text::Str;
pub use time::{Clock, Poll, Watched, nanoseconds};

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

    /// The number as a descriptor.
    pub fn fd(self) -> Fd {
        Fd(self.0 as i32)
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
    // SAFETY: the caller's promise. `mmap` gets an offset of 0, the beginning of the file.
    Ret(unsafe { arch::syscall6(a, b, c, d, e, 0, number) })
}

/// Makes the process independent of what it inherited: descriptors above stdio, signal dispositions and mask.
#[inline(never)]
pub fn prepare(init: bool) {
    fill_stdio();
    // A kernel without the call is older than anything else here works on.
    close_from(3).or_die(failure!(fail::SYSTEM, "close_range(3)"));
    signal::reset(init);
}
