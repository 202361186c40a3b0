//! Signal dispositions and mask.

use super::{call5, exit};
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
        call5(
            nr::RT_SIGACTION,
            signal,
            action.as_ptr() as usize,
            0,
            SET_SIZE,
            0,
        )
    };
}

/// Gives SIGPIPE its default disposition, the one that `execve` would not.
pub(super) fn restore_sigpipe() {
    set_action(SIGPIPE, SIG_DFL);
}

extern "C" fn exit_with_signal(signal: i32) {
    exit(128 + signal as u8)
}

/// Left alone: faults (they end init anyway), and signals that are ignored or stop by default.
const SPARED: u64 = mask(&[4, 5, 7, 8, 11, 17, 18, 20, 21, 22, 23, 28]);

const fn mask(signals: &[usize]) -> u64 {
    let mut mask = 0;
    let mut index = 0;
    while index < signals.len() {
        mask |= 1 << signals[index];
        index += 1;
    }
    mask
}

/// Dispositions and mask that depend on nothing that was inherited: the default ones, but for SIGPIPE.
///
/// In init every signal that would end an ordinary process ends it with status 128+n. The first process of a pid
/// namespace is spared by signals whose disposition is the default (pid_namespaces(7)), so a container that waits for
/// `start` could not be stopped otherwise.
///
/// SIGPIPE is ignored while the launcher itself runs, because its reader may be gone; hooks and the user's program
/// get the default.
pub(super) fn reset(init: bool) {
    for signal in 1..LAST_SIGNAL + 1 {
        let spared = SPARED.checked_shr(signal as u32).unwrap_or(0) & 1 != 0;
        let handler = match signal {
            SIGPIPE => SIG_IGN,
            _ if init && !spared => exit_with_signal as *const () as usize,
            _ => SIG_DFL,
        };
        set_action(signal, handler);
    }
    let empty = 0u64;
    let mask = &raw const empty as usize;
    // SAFETY: the set has the size that is passed.
    let _ = unsafe { call5(nr::RT_SIGPROCMASK, SIG_SETMASK, mask, 0, SET_SIZE, 0) };
}
