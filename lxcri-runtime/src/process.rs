//! Identity of a process: its pid together with its start time, so that a reused pid is never taken for it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use hook_tree::names;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};

use crate::sys;

/// A process of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Pid in the runtime's pid namespace.
    pub pid: i32,
    /// Clock ticks after boot at which it started, field 22 of proc_pid_stat(5).
    pub start_time: u64,
}

/// What /proc/PID/stat says, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// State letter: `Z` for a zombie.
    pub state: char,
    /// Pid of the parent.
    pub parent: i32,
    /// Clock ticks after boot.
    pub start_time: u64,
}

/// Reads /proc/PID/stat. `None` when there is no such process.
pub fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&read(pid, "stat")?)
}

/// Reads a small file of /proc/PID. The kernel makes its whole text at the first read; a growing buffer would need nine calls.
fn read(pid: i32, name: &str) -> Option<String> {
    let mut buffer = [0; 4096];
    let mut file = File::open(format!("/proc/{pid}/{name}")).ok()?;
    let length = file.read(&mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The command may contain blanks and parentheses; the last ')' ends it.
    let rest = text.rsplit_once(')')?.1;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        start_time: fields.get(19)?.parse().ok()?,
    })
}

/// The children of a process, proc_pid_children(5): none where the kernel does not say.
pub fn children(pid: i32) -> Vec<Process> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let mut found = Vec::new();
    for thread in threads.into_iter().flatten().flatten() {
        let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let pids = list.split_ascii_whitespace().filter_map(|c| c.parse().ok());
        // A pid may have been given to another process since.
        found.extend(pids.filter_map(|child| {
            let stat = stat(child).filter(|stat| stat.parent == pid)?;
            Some(Process {
                pid: child,
                start_time: stat.start_time,
            })
        }));
    }
    found
}

/// Ends processes, and what descends from them. Whether there was one.
///
/// # Errors
/// One that could not be ended; the others have been.
pub fn end_all(processes: Vec<Process>) -> io::Result<bool> {
    let mut result = Ok(!processes.is_empty());
    for process in processes {
        if let Err(e) = process.end_with_descendants() {
            result = Err(e);
        }
    }
    result
}

/// Whether a process of one thread may have children, proc_pid_children(5): also where the kernel does not say.
pub fn may_have_children(pid: i32) -> bool {
    read(pid, &format!("task/{pid}/children")).is_none_or(|list| !list.trim().is_empty())
}

impl Process {
    /// The process that has this pid now.
    pub fn of(pid: i32) -> io::Result<Process> {
        let stat = stat(pid).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
        Ok(Process {
            pid,
            start_time: stat.start_time,
        })
    }

    /// Whether it still runs. A zombie does not.
    pub fn is_alive(&self) -> bool {
        matches!(stat(self.pid), Some(s) if s.start_time == self.start_time && !matches!(s.state, 'Z' | 'X'))
    }

    /// Its name, field 2 of proc_pid_stat(5): that of the file it has executed last, also when it has ended and nobody has
    /// waited for it. `None` when it is gone.
    pub fn name(&self) -> Option<String> {
        let text = read(self.pid, "stat")?;
        let known = parse_stat(&text)?.start_time == self.start_time;
        let (name, _) = text.split_once('(')?.1.rsplit_once(')')?;
        known.then(|| name.to_owned())
    }

    /// Whether it executes something else than the file with this device and inode. `false` when that cannot be told.
    pub fn executes_another(&self, file: (u64, u64)) -> bool {
        self.executed().is_some_and(|executed| executed != file)
    }

    /// The same of a process that may have ended since, and that was executed from this file under the launcher's name. `true`
    /// when somebody has waited for it already, for then nothing tells it from a program that has ended.
    pub fn has_executed_another(&self, file: (u64, u64)) -> bool {
        match self.executed() {
            Some(executed) => executed != file,
            None => self.name().as_deref() != Some(names::LAUNCHER),
        }
    }

    /// Device and inode of what it executes.
    fn executed(&self) -> Option<(u64, u64)> {
        let metadata = fs::metadata(format!("/proc/{}/exe", self.pid)).ok()?;
        self.is_alive().then(|| (metadata.dev(), metadata.ino()))
    }

    /// A pidfd of it, or `None` when it is gone.
    pub fn open(&self) -> io::Result<Option<OwnedFd>> {
        let fd = match sys::pidfd_open(self.pid) {
            Ok(fd) => fd,
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            Err(e) => return Err(e),
        };
        // Only now that the descriptor pins the pid can its start time be compared.
        Ok(self.is_alive().then_some(fd))
    }

    /// Sends a signal. `false` when the process is gone.
    pub fn signal(&self, signal: i32) -> io::Result<bool> {
        let Some(fd) = self.open()? else {
            return Ok(false);
        };
        match sys::pidfd_send_signal(fd.as_fd(), signal) {
            Ok(()) => Ok(true),
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Ends it and all that descend from it. Each is stopped first, so that none makes another meanwhile.
    ///
    /// # Errors
    /// The last one met; the others have been ended.
    pub fn end_with_descendants(&self) -> io::Result<()> {
        let mut found = Vec::new();
        let mut next = vec![*self];
        let mut result = Ok(());
        while let Some(process) = next.pop() {
            match process.signal(libc::SIGSTOP) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(e) => result = Err(e),
            }
            next.extend(children(process.pid));
            found.push(process);
        }
        for process in found {
            if let Err(e) = process.signal(libc::SIGKILL) {
                result = Err(e);
            }
        }
        result
    }

    /// The pid as its own pid namespace sees it: the last column of `NSpid` in proc_pid_status(5).
    pub fn inner_pid(&self) -> Option<i32> {
        let status = read(self.pid, "status")?;
        let line = status.lines().find_map(|l| l.strip_prefix("NSpid:"))?;
        line.split_ascii_whitespace().last()?.parse().ok()
    }

    /// Waits until it has ended. `false` when the deadline came first.
    pub fn wait_gone(&self, timeout: Duration) -> io::Result<bool> {
        let end = Instant::now() + timeout;
        match self.open()? {
            None => Ok(true),
            Some(fd) => wait_readable(fd.as_fd(), end),
        }
    }
}

/// Waits until a descriptor is readable. `false` when the deadline came first.
pub fn wait_readable(fd: BorrowedFd, end: Instant) -> io::Result<bool> {
    loop {
        let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
        match poll(&mut fds, poll_timeout(end)) {
            Ok(0) if Instant::now() >= end => return Ok(false),
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Waits until a descriptor is readable. `true` when it is not, but `other` is.
pub fn wait_unless(fd: BorrowedFd, other: Option<BorrowedFd>) -> io::Result<bool> {
    let mut fds: Vec<PollFd> = std::iter::once(fd)
        .chain(other)
        .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
        .collect();
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => return Ok(fds.first().and_then(PollFd::any) == Some(false)),
            Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// The time until `end` for poll(2), rounded up.
pub fn poll_timeout(end: Instant) -> PollTimeout {
    let left = end.saturating_duration_since(Instant::now());
    let millis = left.as_millis().min(60_000) as u16
        + u16::from(!left.is_zero() && left.as_millis() < 60_000);
    PollTimeout::from(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_does_not_confuse_the_parser() {
        let mut text = String::from("17 (a) b (c)) Z 4 ");
        for n in 5..60 {
            text.push_str(&format!("{n} "));
        }
        let stat = parse_stat(&text).unwrap();
        assert_eq!((stat.state, stat.parent, stat.start_time), ('Z', 4, 22));
        assert_eq!(parse_stat("17 (a"), None);
    }

    #[test]
    fn this_process_is_alive_and_another_start_time_is_another_process() {
        let me = Process::of(std::process::id() as i32).unwrap();
        assert!(me.is_alive());
        assert!(me.open().unwrap().is_some());
        let other = Process {
            start_time: me.start_time + 1,
            ..me
        };
        assert!(!other.is_alive());
        assert!(!other.signal(0).unwrap());
    }

    #[test]
    fn an_ended_child_is_gone() {
        let mut child = std::process::Command::new("/bin/sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let process = Process::of(child.id() as i32).unwrap();
        assert!(!process.wait_gone(Duration::from_millis(20)).unwrap());
        assert!(process.signal(libc::SIGKILL).unwrap());
        assert!(process.wait_gone(Duration::from_secs(60)).unwrap());
        child.wait().unwrap();
        assert!(process.wait_gone(Duration::from_secs(60)).unwrap());
    }
}
