//! Removes a container's cgroup, waiting for its last processes to go.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::error::Error;
use super::files;
use super::handle::{Cgroup, pids_below};
use super::record::{Member, Version};
use super::systemd;
use super::tree;

/// The longest time between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl Cgroup {
    /// Removes the container's directories with all cgroups below them, and directories above them that were made for the
    /// container and that nobody else uses. Kills nothing: processes inside get until `deadline` to go away.
    ///
    /// Of a cgroup that was only planned, directories with processes in them are somebody else's and stay.
    ///
    /// Goes on after an error and returns all of them; nothing to remove is no error.
    #[must_use = "these are the directories that are still there"]
    pub fn remove(&self, deadline: Instant) -> Vec<Error> {
        let mut errors = Vec::new();
        for member in &self.record.members {
            if let Err(error) = self.remove_member(member, deadline) {
                errors.push(error);
            }
        }
        for parent in self.record.members.iter().flat_map(|m| &m.parents) {
            match rmdir(parent) {
                // In use by another container, or removed by it.
                Ok(()) | Err(Errno::EBUSY | Errno::ENOTEMPTY | Errno::ENOENT) => {}
                Err(e) => errors.push(Error::sys(format!("rmdir({})", parent.display()), e)),
            }
        }
        // systemd drops the unit by itself soon; the next container of this name should not have to wait for that.
        if let Some(unit) = &self.record.unit
            && errors.is_empty()
            && self.is_made()
            && let Err(error) = systemd::stop(unit)
        {
            errors.push(error);
        }
        errors
    }

    fn remove_member(&self, member: &Member, deadline: Instant) -> Result<(), Error> {
        let path = &member.path;
        let mut pause = Duration::from_micros(100);
        loop {
            let busy = match rmdir(path) {
                Ok(()) | Err(Errno::ENOENT) => return Ok(()),
                Err(e @ (Errno::EBUSY | Errno::ENOTEMPTY)) => e,
                Err(e) => return Err(Error::sys(format!("rmdir({})", path.display()), e)),
            };
            if !self.is_made() && !pids_below(path)?.is_empty() {
                return Ok(());
            }
            tree::prune(path)?;
            match rmdir(path) {
                Ok(()) | Err(Errno::ENOENT) => return Ok(()),
                Err(_) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Busy {
                    path: path.clone(),
                    errno: busy,
                    pids: pids_below(path).unwrap_or_default(),
                });
            }
            // v2 tells when the last process has gone; v1 has to be asked again. The pause keeps a cgroup that is busy
            // for another reason from being tried without end.
            if member.version == Version::V2 {
                wait_for_event(
                    path,
                    "populated",
                    "0",
                    Instant::now() + LONGEST_PAUSE.min(left),
                )?;
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn rmdir(path: &Path) -> Result<(), Errno> {
    nix::unistd::unlinkat(
        nix::fcntl::AT_FDCWD,
        path,
        nix::unistd::UnlinkatFlags::RemoveDir,
    )
}

/// Waits until `key` in cgroup.events of a v2 cgroup has this value; `false` when the deadline passed first. A cgroup that is
/// gone has reached every state.
pub(super) fn wait_for_event(
    path: &Path,
    key: &str,
    value: &str,
    deadline: Instant,
) -> Result<bool, Error> {
    loop {
        // Opened before reading: what changes after that is what poll reports (kernel: cgroup-v2.rst, "File Notification").
        let events = match std::fs::File::open(path.join("cgroup.events")) {
            Ok(events) => events,
            Err(e) => {
                let errno = e.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                return if files::gone(Some(errno)) {
                    Ok(true)
                } else {
                    Err(Error::sys(
                        format!("open({}/cgroup.events)", path.display()),
                        errno,
                    ))
                };
            }
        };
        let mut text = String::new();
        if let Err(e) = std::io::Read::read_to_string(&mut &events, &mut text) {
            let errno = e.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            return if files::gone(Some(errno)) {
                Ok(true)
            } else {
                Err(Error::sys(
                    format!("read({}/cgroup.events)", path.display()),
                    errno,
                ))
            };
        }
        if files::keyed(&text, key) == Some(value) {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        // Rounded up, so that the last wait does not spin.
        let timeout =
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => {
                return Err(Error::sys(
                    format!("poll({}/cgroup.events)", path.display()),
                    e,
                ));
            }
        }
    }
}
