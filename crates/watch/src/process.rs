//! Facts about other processes, out of /proc.

use std::ffi::CString;
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::file_id::FileId;
use crate::sys;

/// A process, safe against its pid being used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// The pid in the initial pid namespace.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start: u64,
}

impl Identity {
    /// The process that has this pid now, unless it has ended.
    pub fn of(pid: i32) -> Option<Identity> {
        let stat = stat(pid)?;
        (!stat.ended).then_some(Identity {
            pid,
            start: stat.start,
        })
    }

    /// A descriptor of this very process.
    pub fn open(self) -> Result<OwnedFd, Errno> {
        let pidfd = sys::pidfd_open(self.pid)?;
        // The pid may have been used again before there was a descriptor.
        if Identity::of(self.pid) == Some(self) {
            Ok(pidfd)
        } else {
            Err(Errno::ESRCH)
        }
    }
}

/// What is used of /proc/PID/stat.
struct Stat {
    parent: i32,
    start: u64,
    /// A zombie, or dead.
    ended: bool,
}

fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc(5): the command in parentheses may hold anything; after it the state is field 3, the parent 4, the start 22.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    Some(Stat {
        parent: fields.next()?.parse().ok()?,
        start: fields.nth(17)?.parse().ok()?,
        ended: state.starts_with(['Z', 'X']),
    })
}

/// The parent of a process.
pub fn parent(pid: i32) -> Option<i32> {
    stat(pid).map(|stat| stat.parent)
}

/// Whether `ancestor` is the process itself or above it.
pub fn descends_from(pid: i32, ancestor: i32) -> bool {
    let mut next = pid;
    // Deeper nesting than this is an attempt to keep us busy.
    for _ in 0..64 {
        if next == ancestor {
            return true;
        }
        match parent(next) {
            Some(parent) if parent > 0 => next = parent,
            _ => return false,
        }
    }
    false
}

/// What is used of /proc/PID/status.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The process that a thread belongs to.
    pub process: i32,
    /// The effective user.
    pub user: u32,
    /// The pid in the innermost pid namespace, and how many namespaces deep that is.
    pub inner_pid: (i32, usize),
}

/// Reads the status of a thread or process.
pub fn status(tid: i32) -> Option<Status> {
    parse_status(&fs::read_to_string(format!("/proc/{tid}/status")).ok()?)
}

fn parse_status(text: &str) -> Option<Status> {
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::split_whitespace)
    };
    let inner: Vec<i32> = field("NSpid")?.filter_map(|pid| pid.parse().ok()).collect();
    Some(Status {
        process: field("Tgid")?.next()?.parse().ok()?,
        user: field("Uid")?.nth(1)?.parse().ok()?,
        inner_pid: (*inner.last()?, inner.len()),
    })
}

/// Identifies a file through a link of /proc/PID: `exe`, `root`, `ns/mnt`.
pub fn link_id(pid: i32, link: &str) -> Result<FileId, Errno> {
    let path = CString::new(format!("/proc/{pid}/{link}")).map_err(|_| Errno::EINVAL)?;
    sys::file_id_at(&path)
}

/// The arguments of a process as they stand in its memory now; at most 64 KiB of them.
pub fn arguments(pid: i32) -> Option<Vec<String>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/cmdline")).ok()?;
    file.take(64 << 10).read_to_end(&mut bytes).ok()?;
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    let pieces = bytes.split(|byte| *byte == 0);
    Some(
        pieces
            .map(|piece| String::from_utf8_lossy(piece).into_owned())
            .collect(),
    )
}

/// The paths of the cgroups that a process is in.
pub fn cgroups(pid: i32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.map(str::to_owned).collect()
}

/// The current directory as a path.
pub fn directory(pid: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// The children of a thread of a process.
pub fn children(pid: i32, tid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/children")).unwrap_or_default();
    let pids = text.split_whitespace();
    pids.filter_map(|pid| pid.parse().ok()).collect()
}

/// Our own children.
pub fn own_children() -> Vec<i32> {
    let own = std::process::id().cast_signed();
    numbers("/proc/self/task")
        .into_iter()
        .flat_map(|tid| children(own, tid))
        .collect()
}

/// The pids of all processes.
pub fn all() -> Vec<i32> {
    numbers("/proc")
}

/// The entries of a directory whose names are numbers.
fn numbers(directory: &str) -> Vec<i32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_hold_anything() {
        let text = "42 (a) b ) S) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 1 2";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.parent, stat.start, stat.ended), (7, 12345, false));
        assert!(parse_stat(&text.replace(") S 7", ") Z 7")).unwrap().ended);
        assert!(parse_stat("42 (x)").is_none());
    }

    #[test]
    fn own_process() {
        let pid = std::process::id().cast_signed();
        assert_eq!(Identity::of(pid).unwrap().pid, pid);
        let child = std::process::Command::new("sleep").arg("30").spawn();
        let mut child = child.unwrap();
        let known = own_children().contains(&child.id().cast_signed());
        let _ = child.kill();
        let _ = child.wait();
        assert!(known);
        let parent = parent(pid).unwrap();
        assert!(descends_from(pid, parent) && !descends_from(parent, pid));
        assert_eq!(status(pid).unwrap().process, pid);
        assert_eq!(arguments(pid).unwrap().len(), std::env::args().count());
        assert!(link_id(pid, "exe").is_ok());
    }

    #[test]
    fn the_innermost_pid_is_the_last() {
        let text = "Name:\tx\nTgid:\t90\nUid:\t1\t2\t3\t4\nNSpid:\t90\t12\t1\n";
        let expected = Status {
            process: 90,
            user: 2,
            inner_pid: (1, 3),
        };
        assert_eq!(parse_status(text), Some(expected));
    }
}
