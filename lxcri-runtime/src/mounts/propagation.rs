//! Puts the propagation of a container's mounts right after LXC has made all of them shared.
//!
//! LXC ends its set-up with mount(".", MS_REC|MS_SHARED). A mount that was private is then the only member of a new peer
//! group, one that was a slave is a slave in addition. MS_SLAVE undoes exactly this: a mount that leaves a group which
//! has no other member and no master becomes private, with a master it stays that one's slave.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::stat::Mode;

use super::attach;
use super::error::{CallError, Error};
use super::kernel;
use super::steps::{PropagationKind, Step};
use super::sys;
use super::work::Work;
use crate::mountinfo::{self, Entry};

pub(super) fn restore(work: &Work) -> Result<(), Error> {
    let root = work.root()?;
    if work.plan.has_shared() {
        restore_around_shared(work)?;
    } else {
        // All at once, and those that hooks have made as well.
        sys::set_propagation(root, PropagationKind::Slave, true, "rootfs")?;
    }
    if let Some(found) = work.plan.root_propagation
        && matches!(
            found.kind,
            PropagationKind::Shared | PropagationKind::Unbindable
        )
    {
        sys::set_propagation(root, found.kind, false, "rootfs")?;
    }
    for standing in &work.standing {
        if let Some(Step::Mount(mount)) = work.plan.steps.get(standing.step)
            && let Some(found) = mount.propagation
            && found.kind == PropagationKind::Unbindable
        {
            // Sharing takes the mark away.
            attach::propagate(&standing.fd, mount, found.kind, found.recursive)?;
        }
    }
    Ok(())
}

/// A mount that was asked to be shared must not leave its group, since there is no way back to the host's: go through
/// the mounts one by one and leave those out, with what is below them unless it is a mount of the plan.
fn restore_around_shared(work: &Work) -> Result<(), Error> {
    let root = work.root()?;
    let proc = work.sources.proc.as_fd();
    let (mut keep, mut change) = (HashSet::new(), HashSet::new());
    for standing in &work.standing {
        let shared = matches!(work.plan.steps.get(standing.step), Some(Step::Mount(mount)) if mount.is_shared());
        let id = mount_id(proc, standing.fd.as_fd())?;
        if shared {
            keep.insert(id);
        } else {
            change.insert(id);
            sys::set_propagation(&standing.fd, PropagationKind::Slave, false, "mount")?;
        }
    }
    sys::set_propagation(root, PropagationKind::Slave, false, "rootfs")?;
    let text = read(proc, Path::new("thread-self/mountinfo"))?;
    let entries: Vec<Entry> = mountinfo::parse(&text).flatten().collect();
    for entry in &entries {
        if !entry.shared || belongs_to(entry, &entries, &keep, &change) {
            continue;
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let Ok(fd) =
            kernel::open_in_root(root, &entry.point, flags, ResolveFlag::RESOLVE_NO_SYMLINKS)
        else {
            continue;
        };
        // Another mount may lie over it; then nobody in the container can reach this one either.
        if mount_id(proc, fd.as_fd())? == entry.id {
            sys::set_propagation(&fd, PropagationKind::Slave, false, entry.point.display())?;
        }
    }
    Ok(())
}

/// Follows the parents of `entry` to the first mount of the plan: is that one shared?
fn belongs_to(
    entry: &Entry,
    entries: &[Entry],
    keep: &HashSet<u64>,
    change: &HashSet<u64>,
) -> bool {
    let mut current = entry;
    for _ in 0..entries.len() {
        if keep.contains(&current.id) {
            return true;
        }
        if change.contains(&current.id) {
            return false;
        }
        match entries
            .iter()
            .find(|other| other.id == current.parent && other.id != current.id)
        {
            Some(parent) => current = parent,
            None => return false,
        }
    }
    false
}

/// The mount's number in mountinfo.
fn mount_id(proc: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> Result<u64, Error> {
    let path = format!("thread-self/fdinfo/{}", fd.as_raw_fd());
    let text = String::from_utf8_lossy(&read(proc, Path::new(&path))?).into_owned();
    text.lines()
        .find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
        .ok_or_else(|| Error::Unusable(format!("/proc/{path} tells no mnt_id")))
}

/// Reads a file of the host's procfs.
fn read(proc: BorrowedFd<'_>, path: &Path) -> Result<Vec<u8>, Error> {
    let fail = |errno| CallError::new(format!("read(/proc/{})", path.display()), errno);
    let fd = nix::fcntl::openat(
        proc,
        path,
        OFlag::O_RDONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(fail)?;
    let mut bytes = Vec::new();
    File::from(fd)
        .read_to_end(&mut bytes)
        .map_err(|error| fail(Errno::from_raw(error.raw_os_error().unwrap_or(0))))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_shared_mount_stays_unless_the_plan_made_it() {
        let text = "1 9 0:1 / / rw shared:1 - ext4 x rw\n\
            2 1 0:1 / /v rw shared:2 - ext4 x rw\n\
             3 2 0:1 / /v/sub rw shared:3 - ext4 x rw\n\
             4 2 0:1 / /v/own rw shared:4 - ext4 x rw\n\
             5 4 0:1 / /v/own/sub rw shared:5 - ext4 x rw\n";
        let entries: Vec<Entry> = mountinfo::parse(text.as_bytes()).flatten().collect();
        let (keep, change) = (HashSet::from([2]), HashSet::from([4]));
        let kept: Vec<u64> = entries
            .iter()
            .filter(|entry| belongs_to(entry, &entries, &keep, &change))
            .map(|entry| entry.id)
            .collect();
        assert_eq!(kept, [2, 3]);
    }
}
