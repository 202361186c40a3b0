//! Typed system calls. All memory that the kernel reads or writes is checked here, so the rest of the launcher is safe.

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
pub use child::{Child, End, Spawn, reap_strays};
pub use credentials::*;
pub use exec::{Pointers, close_on_exec_from, cwd_is_reachable, exec, exit};
pub use file::*;
pub use mount::*;
pub use signal::exit_on_signals;
pub use socket::{Received, connect, receive, send, write_pieces};
pub use time::{Clock, Readiness, nanoseconds, poll};

use crate::arch;
use crate::errno::Errno;

/// Result of a system call.
pub type Result<T> = core::result::Result<T, Errno>;

/// Turns what the kernel returned into a result.
fn check(returned: isize) -> Result<usize> {
    if (-4095..0).contains(&returned) {
        Err(Errno(-returned as u16))
    } else {
        Ok(returned as usize)
    }
}

/// Makes a call with numbers and pointers of which the caller has made sure.
///
/// # Safety
/// As for [`arch::syscall3`].
#[inline(always)]
unsafe fn call<const N: usize>(number: usize, args: [usize; N]) -> Result<usize> {
    let arg = |index: usize| args.get(index).copied().unwrap_or(0);
    // SAFETY: the caller's promise.
    check(unsafe {
        match N {
            0..=3 => arch::syscall3(arg(0), arg(1), arg(2), number),
            _ => arch::syscall6(arg(0), arg(1), arg(2), number, &[arg(3), arg(4), arg(5)]),
        }
    })
}

/// Makes the process independent of what it inherited: descriptors above stdio, signal dispositions and mask.
pub fn prepare() -> Result<()> {
    fill_stdio()?;
    close_from(3)?;
    signal::reset()
}
