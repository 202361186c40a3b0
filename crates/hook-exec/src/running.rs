//! A hook that has been executed, until it has ended.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use hook_model::Record;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::capture::{Buffer, Output};
use crate::context::Context;
use crate::error::CallError;
use crate::spawn::Child;
use crate::sys::{self, Ended};

/// Longest time of one poll, so that every timeout fits what poll takes.
const LONGEST_POLL: Duration = Duration::from_secs(24 * 3600);

/// Why a hook is not waited for any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Ended,
    TimedOut,
    /// Somebody has asked for it.
    Interrupted,
    /// It has written more than is allowed.
    TooMuch,
}

/// A hook that has been executed.
pub struct Running {
    pub child: Child,
    pub stdout: Output,
    pub stderr: Output,
}

/// What is left of a hook that has ended: its pidfd, and our ends of its pipes. To close them takes a few microseconds, in which
/// the next hook may already run.
pub struct Remains {
    _pidfd: OwnedFd,
    _pipes: [OwnedFd; 2],
}

impl Running {
    /// Waits for the end of the hook and fills in the rest of its record. The result is its stdout, if all of it is kept.
    pub fn finish(
        mut self,
        deadline: Option<Instant>,
        context: &Context<'_>,
        buffer: &mut Buffer,
        record: &mut Record,
    ) -> (Option<Vec<u8>>, Remains) {
        let kill_wait = context.kill_wait;
        let ended = self.wait_until(deadline, context.interrupt, buffer);
        let gone = if ended == Ok(Stop::Ended) {
            true
        } else {
            record.timed_out = ended == Ok(Stop::TimedOut);
            record.error = ended
                .err()
                .map(|errno| CallError::of("poll(pidfd)")(errno).to_string());
            sys::kill_group(&self.child);
            self.wait_for_killed(kill_wait, buffer)
        };
        if gone {
            match sys::reap(self.child.pidfd.as_fd()) {
                Ok(Ended::Exited(status)) => record.exit_status = u8::try_from(status).ok(),
                Ok(Ended::Killed(signal)) => record.signal = u8::try_from(signal).ok(),
                Err(errno) => {
                    record.error = Some(CallError::of("waitid(P_PIDFD)")(errno).to_string())
                }
            }
        } else {
            let error = record
                .error
                .take()
                .map(|error| format!("{error}, "))
                .unwrap_or_default();
            record.error = Some(format!(
                "{error}not ended {} s after SIGKILL",
                kill_wait.as_secs()
            ));
        }
        // What a process of the hook writes from now on is not the hook's any more.
        self.stdout.drain(buffer);
        self.stderr.drain(buffer);
        let (end, whole, stdout) = self.stdout.into_parts();
        record.stdout = end;
        let (end, _, stderr) = self.stderr.into_parts();
        record.stderr = end;
        let remains = Remains {
            _pipes: [stdout, stderr],
            _pidfd: self.child.pidfd,
        };
        (whole, remains)
    }

    /// Whether a killed hook has ended in time, whatever it has written.
    fn wait_for_killed(&mut self, time: Duration, buffer: &mut Buffer) -> bool {
        let deadline = Instant::now().checked_add(time);
        loop {
            match self.wait_until(deadline, None, buffer) {
                Ok(Stop::TooMuch) => {}
                stop => return stop == Ok(Stop::Ended),
            }
        }
    }

    /// Drains the output until there is a reason to stop.
    fn wait_until(
        &mut self,
        deadline: Option<Instant>,
        interrupt: Option<BorrowedFd<'_>>,
        buffer: &mut Buffer,
    ) -> Result<Stop, Errno> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let child = self.child.pidfd.as_fd();
            // What is not there, or has ended, is polled as the pidfd without events, since poll takes no gaps here.
            let other = |fd: Option<_>| match fd {
                Some(fd) => PollFd::new(fd, PollFlags::POLLIN),
                None => PollFd::new(child, PollFlags::empty()),
            };
            let mut fds = [
                PollFd::new(child, PollFlags::POLLIN),
                other(self.stdout.pipe()),
                other(self.stderr.pipe()),
                other(interrupt),
            ];
            match poll(&mut fds, timeout(left)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
            let [ended, out, err, asked] = fds.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
            if !ended.is_empty() {
                return Ok(Stop::Ended);
            }
            self.stdout.polled(out, buffer);
            self.stderr.polled(err, buffer);
            if asked.contains(PollFlags::POLLIN) {
                return Ok(Stop::Interrupted);
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Stop::TimedOut);
            }
            if self.stdout.is_too_much() {
                return Ok(Stop::TooMuch);
            }
        }
    }
}

/// Milliseconds, rounded up: a poll that ends just before the deadline would be followed by another.
fn timeout(left: Option<Duration>) -> PollTimeout {
    match left {
        None => PollTimeout::NONE,
        Some(left) => {
            let milliseconds = left.min(LONGEST_POLL).as_nanos().div_ceil(1_000_000);
            i32::try_from(milliseconds)
                .ok()
                .and_then(|ms| PollTimeout::try_from(ms).ok())
                .unwrap_or(PollTimeout::MAX)
        }
    }
}
