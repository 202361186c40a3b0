//! Signal dispositions and mask.

use super::{Result, call, exit};
use crate::arch::nr;

const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;
/// x86_64 delivers no signal without it. The handler never returns, so nothing is ever restored.
const SA_RESTORER: usize = 0x0400_0000;
const SIG_SETMASK: usize = 2;
pub(super) const SIGPIPE: usize = 13;
const LAST_SIGNAL: usize = 64;
/// Size of the kernel's signal set in bytes.
const SET_SIZE: usize = 8;

/// Sets the disposition of one signal.
pub(super) fn set_action(signal: usize, handler: usize) -> Result<()> {
    let (flags, restorer) = if handler > SIG_IGN {
        (SA_RESTORER, handler)
    } else {
        (0, 0)
    };
    let action = [handler, flags, restorer, 0];
    // SAFETY: `struct sigaction` of the kernel is handler, flags, restorer and an 8-byte mask.
    unsafe {
        call(
            nr::RT_SIGACTION,
            [signal, action.as_ptr() as usize, 0, SET_SIZE],
        )
    }
    .map(drop)
}

/// Gives a signal its default disposition.
pub(super) fn set_default(signal: usize) -> Result<()> {
    set_action(signal, SIG_DFL)
}

/// Default dispositions and an empty mask, whatever was inherited.
///
/// SIGPIPE is ignored while the launcher itself runs, because its reader may be gone; hooks and the user's program
/// get the default.
pub(super) fn reset() -> Result<()> {
    for signal in 1..=LAST_SIGNAL {
        if !matches!(signal, 9 | 19) {
            set_action(signal, if signal == SIGPIPE { SIG_IGN } else { SIG_DFL })?;
        }
    }
    let empty = 0u64;
    // SAFETY: the set has the size that is passed.
    unsafe {
        call(
            nr::RT_SIGPROCMASK,
            [SIG_SETMASK, &raw const empty as usize, 0, SET_SIZE],
        )
    }
    .map(drop)
}

extern "C" fn exit_with_signal(signal: i32) {
    exit(128 + signal as u8)
}

/// Lets every signal that would end an ordinary process end this one with status 128+n.
///
/// The first process of a pid namespace is spared by signals whose disposition is the default (pid_namespaces(7)), so
/// a container that waits for `start` could not be stopped otherwise. `execve` makes the dispositions default again.
pub fn exit_on_signals() -> Result<()> {
    for signal in 1..=LAST_SIGNAL {
        // Left alone: faults (they end init anyway), SIGKILL, SIGSTOP, SIGPIPE, and those ignored or stopping by default.
        if !matches!(signal, 4 | 5 | 7..=9 | 11 | SIGPIPE | 17..=23 | 28) {
            set_action(signal, exit_with_signal as *const () as usize)?;
        }
    }
    Ok(())
}
