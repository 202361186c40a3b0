//! Signal dispositions of the test process.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Ignores a signal, or handles it as by default.
pub fn set(signal: Signal, handler: SigHandler) {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler is one of the kernel's, so no code of ours runs in a signal handler.
    unsafe { sigaction(signal, &action) }.unwrap();
}
