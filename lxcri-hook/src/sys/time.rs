//! Clocks and waiting.

use super::{Fd, Ret, call3, call5, pipe};
use crate::arch::nr;

/// A clock of the kernel.
#[derive(Clone, Copy)]
pub enum Clock {
    /// Wall clock, since the epoch.
    Realtime = 0,
    /// Never set back.
    Monotonic = 1,
}

const SECOND: u64 = 1_000_000_000;

/// The time in nanoseconds; 0 when the kernel has no such clock.
#[inline(never)]
pub fn nanoseconds(clock: Clock) -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: `struct timespec` is two 64-bit numbers.
    let _ = unsafe {
        call3(
            nr::CLOCK_GETTIME,
            clock as usize,
            time.as_mut_ptr() as usize,
            0,
        )
    };
    time[0].wrapping_mul(SECOND).wrapping_add(time[1])
}

/// A descriptor to wait for: `struct pollfd`. A negative number is left out.
#[repr(C)]
pub struct Watched {
    fd: Fd,
    events: i16,
    returned: i16,
}

impl Watched {
    const IN: i16 = 1;
    const HANGUP: i16 = 0x2000;

    const fn new(fd: Fd, events: i16) -> Watched {
        Watched {
            fd,
            events,
            returned: 0,
        }
    }

    /// Takes this descriptor.
    pub fn watch(&mut self, fd: Fd) {
        self.fd = fd;
    }

    /// Makes a pipe, takes its read end and returns its write end.
    #[inline(never)]
    pub fn pipe(&mut self) -> Fd {
        let [read, write] = pipe();
        self.fd = read;
        write
    }

    /// The descriptor.
    pub fn fd(&self) -> Fd {
        self.fd
    }

    /// Whether it has ended the wait.
    pub fn is_ready(&self) -> bool {
        self.returned != 0
    }

    /// Closes the descriptor and waits for it no more.
    #[inline(never)]
    pub fn close(&mut self) {
        self.fd.close();
        self.fd = Fd::NONE;
    }
}

/// What is waited for while a hook runs.
#[repr(C)]
pub struct Poll {
    /// The hook's end.
    pub process: Watched,
    /// Its output, or the end of that.
    pub stdout: Watched,
    /// The same.
    pub stderr: Watched,
    /// The other side of this one goes away.
    pub lifeline: Watched,
}

impl Poll {
    /// Nothing but the lifeline.
    pub fn new(lifeline: Fd) -> Poll {
        Poll {
            process: Watched::new(Fd::NONE, Watched::IN),
            stdout: Watched::new(Fd::NONE, Watched::IN),
            stderr: Watched::new(Fd::NONE, Watched::IN),
            lifeline: Watched::new(lifeline, Watched::HANGUP),
        }
    }

    /// Waits until a descriptor is ready or so many nanoseconds have passed; without end for `u64::MAX`.
    pub fn wait(&mut self, limit: u64) -> Ret {
        let time = [limit / SECOND, limit % SECOND];
        let time = if limit == u64::MAX {
            0
        } else {
            time.as_ptr() as usize
        };
        let set = (&raw mut *self).addr();
        // SAFETY: the four parts are one array of `struct pollfd`; the time is null or a `struct timespec`; without a
        // signal mask its size is not looked at.
        unsafe { call5(nr::PPOLL, set, 4, time, 0, 8) }
    }
}
