//! Signals every process of a container, those in sub-cgroups included.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::error::Error;
use super::files;
use super::handle::{Cgroup, pids_below};
use crate::sys;

/// How long signalling waits for the freezer. A process in an uninterruptible sleep cannot be frozen, and is signalled
/// all the same.
const FREEZE: Duration = Duration::from_millis(200);

/// How often processes are listed again, on a machine that can neither kill a cgroup nor freeze it.
const ROUNDS: usize = 100;

impl Cgroup {
    /// Sends `signal` to every process. Returns when all have been sent it, not when they are gone.
    ///
    /// SIGKILL goes by `cgroup.kill` where there is a v2 hierarchy, which no fork can outrun, and also reaches a frozen
    /// container. Everything else stops the container for the moment between listing its processes and signalling
    /// them, so that none forks in between and no process id changes its owner. A cgroup that was only planned has
    /// no processes to signal.
    ///
    /// # Errors
    /// When processes cannot be listed, or one of them cannot be signalled; the others have been.
    pub fn signal_all(&self, signal: i32) -> Result<(), Error> {
        let Some(member) = self.record.primary().filter(|_| self.is_made()) else {
            return Ok(());
        };
        if signal == libc::SIGKILL
            && let Some(unified) = self.record.unified()
            && files::write(&unified.path, "cgroup.kill", "1").is_ok()
        {
            // Tasks in the v1 freezer die only when it lets them go.
            return if self.is_frozen()? {
                self.thaw()
            } else {
                Ok(())
            };
        }
        let was_frozen = self.is_frozen()?;
        let held = was_frozen || self.freeze(Instant::now() + FREEZE).is_ok();
        let result = self.signal_rounds(&member.path, signal, held);
        if held && (!was_frozen || signal == libc::SIGKILL) {
            let thawed = self.thaw();
            // The cgroup may be gone together with its last process.
            return result.and(match thawed {
                Err(e) if files::gone(e.errno()) => Ok(()),
                other => other,
            });
        }
        result
    }

    /// Lets processes that have been sent SIGKILL die of it: those in a frozen v1 cgroup do so only when it lets them go.
    ///
    /// # Errors
    /// When it cannot be found out whether it is frozen, or it cannot be thawed.
    pub fn let_die(&self) -> Result<(), Error> {
        if !self.is_made() || !self.is_frozen()? {
            return Ok(());
        }
        match self.thaw() {
            Err(e) if files::gone(e.errno()) => Ok(()),
            other => other,
        }
    }

    /// One round is enough for processes that stand still; others are listed until no new one appears.
    fn signal_rounds(&self, path: &std::path::Path, signal: i32, held: bool) -> Result<(), Error> {
        let mut signalled = Vec::new();
        let mut result = Ok(());
        for _ in 0..ROUNDS {
            let fresh: Vec<i32> = pids_below(path)?
                .into_iter()
                .filter(|pid| !signalled.contains(pid))
                .collect();
            for pid in &fresh {
                let sent = sys::pidfd_open(*pid)
                    .and_then(|process| sys::pidfd_send_signal(process.as_fd(), signal));
                match sent.map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or_default())) {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(e) if result.is_ok() => {
                        let call = format!("pidfd_send_signal({pid}, {signal})");
                        result = Err(Error::sys(call, e));
                    }
                    Err(_) => {}
                }
            }
            if fresh.is_empty() || held {
                break;
            }
            signalled.extend(fresh);
        }
        result
    }
}
