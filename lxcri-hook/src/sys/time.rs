//! Clocks and waiting.

use super::{Fd, Result, call};
use crate::arch::nr;
use crate::errno::Errno;

/// A clock of the kernel.
#[derive(Clone, Copy)]
pub enum Clock {
    /// Wall clock, since the epoch.
    Realtime = 0,
    /// Never set back.
    Monotonic = 1,
}

/// The time in nanoseconds; 0 when the kernel has no such clock.
pub fn nanoseconds(clock: Clock) -> u64 {
    let mut time = [0i64; 2];
    // SAFETY: `struct timespec` is two 64-bit numbers.
    match unsafe {
        call(
            nr::CLOCK_GETTIME,
            [clock as usize, time.as_mut_ptr() as usize],
        )
    } {
        Ok(_) => (time[0] as u64)
            .saturating_mul(1_000_000_000)
            .saturating_add(time[1] as u64),
        Err(_) => 0,
    }
}

/// A descriptor to wait for: `struct pollfd`. A negative number is left out.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Readiness {
    fd: i32,
    events: i16,
    returned: i16,
}

impl Readiness {
    const IN: i16 = 1;
    const HANGUP: i16 = 0x2000;

    /// Waits for something to read, or the end.
    pub fn readable(fd: Option<Fd>) -> Readiness {
        Readiness {
            fd: fd.map_or(-1, Fd::number),
            events: Self::IN,
            returned: 0,
        }
    }

    /// Waits for the other side to go away.
    pub fn gone(fd: Option<Fd>) -> Readiness {
        Readiness {
            fd: fd.map_or(-1, Fd::number),
            events: Self::HANGUP,
            returned: 0,
        }
    }

    /// Whether the wait ended because of this descriptor.
    pub fn is_ready(&self) -> bool {
        self.returned != 0
    }
}

/// Waits until a descriptor is ready or, with a limit, so many nanoseconds have passed.
pub fn poll(set: &mut [Readiness], limit: Option<u64>) -> Result<()> {
    let time =
        limit.map(|limit| [limit / 1_000_000_000, limit % 1_000_000_000].map(|part| part as i64));
    let time = time.as_ref().map_or(0, |time| time.as_ptr() as usize);
    for entry in set.iter_mut() {
        entry.returned = 0;
    }
    // SAFETY: pointer and length belong to one exclusive slice of `struct pollfd`; the time is null or a `struct
    // timespec`; without a signal mask its size is not looked at.
    match unsafe {
        call(
            nr::PPOLL,
            [set.as_mut_ptr() as usize, set.len(), time, 0, 8],
        )
    } {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error),
    }
}
