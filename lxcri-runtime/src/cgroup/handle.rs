//! A container's cgroup: entering it and asking who is inside.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode as FileMode;
use nix::unistd::Pid;

use super::error::Error;
use super::files;
use super::record::{CgroupRecord, State, Version};
use super::systemd::Placeholder;
use super::tree;

/// The cgroup of one container, in every hierarchy.
#[derive(Debug)]
pub struct Cgroup {
    pub(super) record: CgroupRecord,
    placeholder: Option<Placeholder>,
}

impl Cgroup {
    pub(super) fn with_placeholder(record: CgroupRecord, placeholder: Placeholder) -> Self {
        Cgroup {
            record,
            placeholder: Some(placeholder),
        }
    }

    /// The cgroup that record.json remembers; looks at nothing.
    pub fn from_record(record: CgroupRecord) -> Self {
        Cgroup {
            record,
            placeholder: None,
        }
    }

    /// To be called when the container's first process is inside. A systemd scope lives as long as it has a process; until then
    /// it has one of ours. Without this the end of the `Cgroup` does the same.
    pub fn settle(&mut self) {
        self.placeholder = None;
    }

    /// What record.json must remember from now on.
    pub fn record(&self) -> &CgroupRecord {
        &self.record
    }

    /// What a process writes "0" to in each hierarchy, v2 first, to enter the container's cgroup; open for writing and
    /// close-on-exec. It must have one thread only: in v1 the file is `tasks`, because a thread that moves itself alone need
    /// not wait until no process of the machine forks, which takes milliseconds (`cgroup_procs_write_start` in the kernel). With `born_inside` the v2 hierarchy is left out: the process comes into
    /// being there, through [`Cgroup::dir_fd`].
    ///
    /// # Errors
    /// When a file cannot be opened.
    pub fn entrance_fds(&self, born_inside: bool) -> Result<Vec<OwnedFd>, Error> {
        self.record
            .members
            .iter()
            .filter(|m| !(born_inside && Some(*m) == self.record.unified()))
            .map(|m| {
                let name = if m.version == Version::V1 {
                    files::TASKS
                } else {
                    files::PROCS
                };
                let path = m.path.join(name);
                open(
                    &path,
                    OFlag::O_WRONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW,
                    FileMode::empty(),
                )
                .map_err(|e| Error::sys(format!("open({}, O_WRONLY)", path.display()), e))
            })
            .collect()
    }

    /// The v2 directory for `CLONE_INTO_CGROUP` (clone3(2)); `None` on a machine with v1 alone.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn dir_fd(&self) -> Result<Option<OwnedFd>, Error> {
        self.record
            .unified()
            .map(|m| tree::open_dir(&m.path))
            .transpose()
    }

    /// Puts an existing process into the cgroup.
    ///
    /// # Errors
    /// When one of the hierarchies does not take it.
    pub fn add(&self, pid: Pid) -> Result<(), Error> {
        let pid = pid.to_string();
        self.record
            .members
            .iter()
            .try_for_each(|m| files::write(&m.path, files::PROCS, &pid))
    }

    /// The processes in the cgroup, with `recursive` also those in cgroups that the container made below it; sorted.
    /// Empty for a cgroup that is gone, and for one that was only planned.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn pids(&self, recursive: bool) -> Result<Vec<i32>, Error> {
        let Some(member) = self.record.primary().filter(|_| self.is_made()) else {
            return Ok(Vec::new());
        };
        let mut pids = if recursive {
            pids_below(&member.path)?
        } else {
            match tree::open_dir(&member.path) {
                Ok(dir) => pids_in(dir.as_fd(), &member.path)?,
                Err(e) if files::gone(e.errno()) => Vec::new(),
                Err(e) => return Err(e),
            }
        };
        let placeholder = self.placeholder.as_ref().map(Placeholder::pid);
        pids.retain(|pid| Some(*pid) != placeholder);
        pids.sort_unstable();
        Ok(pids)
    }

    /// Whether what is inside is known to be the container's.
    pub(super) fn is_made(&self) -> bool {
        self.record.state == State::Made
    }
}

/// The processes in the cgroup at `path` and below, sorted.
pub(super) fn pids_below(path: &Path) -> Result<Vec<i32>, Error> {
    let mut pids = Vec::new();
    tree::visit(path, |dir| {
        pids.extend(pids_in(dir, path)?);
        Ok(())
    })?;
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

fn pids_in(dir: BorrowedFd<'_>, root: &Path) -> Result<Vec<i32>, Error> {
    let failed = |call: &str, e: Errno| {
        Error::sys(
            format!("{call}(at or below {}, cgroup.procs)", root.display()),
            e,
        )
    };
    let file = match openat(
        dir,
        files::PROCS,
        OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW,
        FileMode::empty(),
    ) {
        Ok(file) => file,
        Err(Errno::ENOENT | Errno::ENODEV) => return Ok(Vec::new()),
        Err(e) => return Err(failed("openat", e)),
    };
    let mut text = String::new();
    match std::fs::File::from(file).read_to_string(&mut text) {
        Ok(_) => {}
        Err(e) => match e.raw_os_error().map_or(Errno::EIO, Errno::from_raw) {
            // The cgroup was removed, or is a threaded one, whose processes its domain lists.
            Errno::ENODEV | Errno::EOPNOTSUPP => return Ok(Vec::new()),
            e => return Err(failed("read", e)),
        },
    }
    // A process of another pid namespace is listed as 0.
    Ok(text
        .lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid > 0)
        .collect())
}
