//! SIGTERM and SIGINT as a descriptor, so that one poll(2) waits for them and for the engine.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// A signal says that the program shall end.
    Stop,
    /// The descriptor can be read.
    Readable,
    /// The time is over.
    Deadline,
}

/// The signals that end the program.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals in the calling thread, and so in every thread that it starts afterwards.
    pub fn block() -> nix::Result<Signals> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGTERM);
        set.add(Signal::SIGINT);
        set.thread_block()?;
        SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).map(Signals)
    }

    /// Sleeps until a signal, until `source` can be read (or has ended), or until `deadline`.
    pub fn wait(
        &self,
        source: Option<BorrowedFd<'_>>,
        deadline: Option<Instant>,
    ) -> nix::Result<Wake> {
        loop {
            let mut descriptors = vec![PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            descriptors.extend(source.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
            match poll(&mut descriptors, timeout(deadline)) {
                Ok(0) => return Ok(Wake::Deadline),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e),
                Ok(_) if descriptors[0].any() == Some(true) => return Ok(Wake::Stop),
                Ok(_) => return Ok(Wake::Readable),
            }
        }
    }
}

/// Sleeps until `source` can be read or has ended, whatever signals come. False when that takes longer than `patience`.
pub fn is_readable_within(patience: Duration, source: BorrowedFd<'_>) -> nix::Result<bool> {
    let deadline = Some(Instant::now() + patience);
    loop {
        match poll(
            &mut [PollFd::new(source, PollFlags::POLLIN)],
            timeout(deadline),
        ) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
}

fn timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    // Rounded up: poll(2) counts whole milliseconds, and must not spin in the last one.
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}
