//! Clocks and waiting.

use super::{Fd, Ret, call3, call6};
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
#[derive(Clone, Copy)]
struct Entry {
    fd: i32,
    events: i16,
    returned: i16,
}

/// A set of descriptors to wait for.
pub struct Poll([Entry; 4]);

impl Poll {
    const IN: i16 = 1;
    const HANGUP: i16 = 0x2000;

    /// Waits for three descriptors to be readable or at their end, and for the other side of a fourth to go away.
    pub fn new(readable: [Option<Fd>; 3], gone: Option<Fd>) -> Poll {
        let entry = |fd: Option<Fd>, events| Entry {
            fd: fd.map_or(-1, Fd::number),
            events,
            returned: 0,
        };
        let [a, b, c] = readable.map(|fd| entry(fd, Self::IN));
        Poll([a, b, c, entry(gone, Self::HANGUP)])
    }

    /// Waits until a descriptor is ready or so many nanoseconds have passed; without end for `u64::MAX`.
    pub fn wait(&mut self, limit: u64) -> Ret {
        let time = [limit / SECOND, limit % SECOND];
        let time = if limit == u64::MAX {
            0
        } else {
            time.as_ptr() as usize
        };
        let set = [self.0.as_mut_ptr() as usize, self.0.len(), time];
        // SAFETY: pointer and length belong to one array of `struct pollfd`; the time is null or a `struct timespec`;
        // without a signal mask its size is not looked at.
        unsafe { call6(nr::PPOLL, set, [0, 8, 0]) }
    }

    /// Whether this descriptor has ended the wait.
    pub fn is_ready(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(|entry| entry.returned != 0)
    }
}
