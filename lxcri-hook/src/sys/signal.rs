//! Signal dispositions and mask.

use super::{call6, exit};
use crate::arch::nr;

const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;
/// x86_64 delivers no signal without it. The handler never returns, so nothing is ever restored.
const SA_RESTORER: usize = 0x0400_0000;
const SIG_SETMASK: usize = 2;
const SIGPIPE: usize = 13;
const LAST_SIGNAL: usize = 64;
/// Size of the kernel's signal set in bytes.
const SET_SIZE: usize = 8;

/// Sets the disposition of one signal. Fails for SIGKILL and SIGSTOP, which nobody can change.
fn set_action(signal: usize, handler: usize) {
    let action = [handler, SA_RESTORER, handler, 0];
    // SAFETY: `struct sigaction` of the kernel is handler, flags, restorer and an 8-byte mask.
    let _ = unsafe {
        call6(
            nr::RT_SIGACTION,
            [signal, action.as_ptr() as usize, 0],
            [SET_SIZE, 0, 0],
        )
    };
}

/// Gives SIGPIPE its default disposition.
pub(super) fn restore_sigpipe() {
    set_action(SIGPIPE, SIG_DFL);
}

/// Default dispositions and an empty mask, whatever was inherited.
///
/// SIGPIPE is ignored while the launcher itself runs, because its reader may be gone; hooks and the user's program
/// get the default.
pub(super) fn reset() {
    for signal in 1..=LAST_SIGNAL {
        set_action(signal, SIG_DFL);
    }
    set_action(SIGPIPE, SIG_IGN);
    let empty = 0u64;
    let mask = [SIG_SETMASK, &raw const empty as usize, 0];
    // SAFETY: the set has the size that is passed.
    let _ = unsafe { call6(nr::RT_SIGPROCMASK, mask, [SET_SIZE, 0, 0]) };
}

extern "C" fn exit_with_signal(signal: i32) {
    exit(128 + signal as u8)
}

/// Left alone: faults (they end init anyway), SIGPIPE, and signals that are ignored or stop by default.
const SPARED: u64 = mask(&[4, 5, 7, 8, 11, SIGPIPE, 17, 18, 20, 21, 22, 23, 28]);

const fn mask(signals: &[usize]) -> u64 {
    let mut mask = 0;
    let mut index = 0;
    while index < signals.len() {
        mask |= 1 << signals[index];
        index += 1;
    }
    mask
}

/// Lets every signal that would end an ordinary process end this one with status 128+n.
///
/// The first process of a pid namespace is spared by signals whose disposition is the default (pid_namespaces(7)), so
/// a container that waits for `start` could not be stopped otherwise. `execve` makes the dispositions default again.
pub fn exit_on_signals() {
    for signal in 1..=LAST_SIGNAL {
        if SPARED.checked_shr(signal as u32).unwrap_or(0) & 1 == 0 {
            set_action(signal, exit_with_signal as *const () as usize);
        }
    }
}
