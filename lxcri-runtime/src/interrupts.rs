//! Signals that ask `create`, `start` and `run` to end while hooks run: SIGINT, SIGTERM, SIGHUP and SIGQUIT.
//!
//! They do not end this process, which would leave a half-made container: the hook that runs is ended, which fails the command
//! as a hook that fails by itself. The second signal of a kind does end it, wherever it is then.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use anyhow::{Context, Error, Result, bail};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::process;

/// Where the signals arrive. A process has one set of pending signals, and so one of these.
static SIGNALS: OnceLock<SignalFd> = OnceLock::new();

/// The signal by which the command was interrupted, or 0.
static CAME: AtomicI32 = AtomicI32::new(0);

/// Whether it is one of these signals.
pub fn is_one(signal: Signal) -> bool {
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    matches!(signal, SIGINT | SIGTERM | SIGHUP | SIGQUIT)
}

/// From now on these signals wait until they are looked for. To be called before there are threads, which inherit the mask.
pub fn catch() -> Result<()> {
    if SIGNALS.get().is_none() {
        let set: SigSet = Signal::iterator().filter(|s| is_one(*s)).collect();
        set.thread_block().context("sigprocmask")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let _ = SIGNALS.set(SignalFd::with_flags(&set, flags).context("signalfd")?);
    }
    Ok(())
}

/// What is readable when one has come. `None` before [`catch`].
pub fn fd() -> Option<BorrowedFd<'static>> {
    SIGNALS.get().map(AsFd::as_fd)
}

/// Whether one has come, or came before.
pub fn pending() -> bool {
    let came = CAME.load(Ordering::Relaxed) != 0;
    came || fd().is_some_and(|fd| process::wait_readable(fd, Instant::now()).unwrap_or(false))
}

/// Whether one has come, which interrupts the command.
pub fn take() -> bool {
    let next = SIGNALS.get().and_then(|fd| fd.read_signal().ok().flatten());
    let signal = next.and_then(|info| Signal::try_from(info.ssi_signo as i32).ok());
    signal.inspect(|signal| note(*signal)).is_some()
}

/// This signal interrupts the command.
pub fn note(signal: Signal) {
    CAME.store(signal as i32, Ordering::Relaxed);
    // Whoever asks again does not want to wait for what is still to be taken back.
    let mut set = SigSet::empty();
    set.add(signal);
    let _ = set.thread_unblock();
}

/// Fails with what is not done when one has come.
pub fn check(not_done: &str) -> Result<()> {
    if take() {
        bail!("{not_done}");
    }
    Ok(())
}

/// Puts the signal before an error of an interrupted command.
pub fn explain(error: Error) -> Error {
    // On a terminal it may have come to others, too, and have led to the error by that way.
    take();
    match Signal::try_from(CAME.load(Ordering::Relaxed)) {
        Ok(signal) => error.context(format!("interrupted by {signal}")),
        Err(_) => error,
    }
}
