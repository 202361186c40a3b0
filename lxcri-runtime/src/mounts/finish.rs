//! What is done at the end: propagation, working directory, read-only and masked paths.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use libc::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};
use nix::errno::Errno;
use nix::sys::stat::{SFlag, makedev};

use super::error::{CallError, Error};
use super::kernel;
use super::plan::MountPlan;
use super::propagation;
use super::resolve::{Leaf, Root};
use super::steps::{Attributes, PropagationKind, Step};
use super::sys;
use super::work::Work;

pub(super) const READ_ONLY: Attributes = Attributes {
    set: MOUNT_ATTR_RDONLY,
    clear: 0,
};

/// Second components of paths in /proc that LXC may still need after its mount hook.
const PROC_OF_LXC: &[&str] = &["self", "thread-self", "mounts", "net", "sys"];
/// The same for /sys.
const SYS_OF_LXC: &[&str] = &["fs", "kernel"];

/// When the pivot is over: propagation, working directory, and what is to be read-only.
pub(super) fn settle(work: &Work) -> Result<(), Error> {
    propagation::restore(work)
        .map_err(|error| error.during("cannot restore the propagation of the mounts"))?;
    let root = work.root()?;
    if let Some(cwd) = &work.plan.cwd {
        make_cwd(root, cwd)
            .map_err(|error| error.during(format!("cannot make the cwd {}", cwd.display())))?;
    }
    for standing in &work.standing {
        if let Some(Step::Mount(mount)) = work.plan.steps.get(standing.step)
            && mount.seal
        {
            sys::set_attributes(&standing.fd, READ_ONLY, false, mount.destination.display())?;
        }
    }
    if work.plan.root_readonly {
        sys::set_attributes(root, READ_ONLY, false, "rootfs")?;
    }
    Ok(())
}

/// Whether [`cover`] may be done before [`settle`], while LXC pivots: nothing is covered that LXC or [`settle`] look at.
pub(super) fn may_cover_early(plan: &MountPlan) -> bool {
    !plan.has_shared()
        && plan.cwd.as_deref().is_none_or(is_kept)
        && plan.readonly_paths.iter().all(|path| {
            let sysctls = path.starts_with("/proc/sys");
            sysctls || is_apart(path)
        })
        && plan.masked_paths.iter().all(|path| is_apart(path))
}

/// A working directory that lies in no file system that is covered in part.
fn is_kept(cwd: &Path) -> bool {
    !cwd.starts_with("/proc") && !cwd.starts_with("/sys")
}

/// A path in /proc or /sys that is of no use for LXC.
fn is_apart(path: &Path) -> bool {
    let mut names = path.iter().skip(1).filter_map(OsStr::to_str);
    let (Some(top), Some(name)) = (names.next(), names.next()) else {
        return false;
    };
    match top {
        "proc" => !PROC_OF_LXC.contains(&name) && name.starts_with(|c: char| c.is_alphabetic()),
        "sys" => !SYS_OF_LXC.contains(&name),
        _ => false,
    }
}

/// After the createContainer hooks, which have had their chance to write: read-only and masked paths, in runc's order, since a
/// mask may lie over a read-only path.
pub(super) fn cover(work: &mut Work) -> Result<(), Error> {
    let null = work.null.take();
    let root = work.root()?;
    for path in &work.plan.readonly_paths {
        read_only(root, path)
            .map_err(|error| error.during(format!("cannot make {} read-only", path.display())))?;
    }
    Masks {
        root,
        null,
        file: None,
        directory: None,
    }
    .cover_all(&work.plan.masked_paths)
}

/// Makes a missing working directory, as runc does; one that cannot be made is reported by init's chdir, except where
/// that could not tell why.
fn make_cwd(root: &Root, cwd: &Path) -> Result<(), Error> {
    if cwd == Path::new("/") {
        return Ok(());
    }
    match root.make(cwd, Leaf::Directory, false) {
        // A symlink to the root is a working directory like any other.
        Err(Error::Unusable(_)) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

/// Covers `path` with itself, read-only. The mounts below it keep their flags, as with runc.
fn read_only(root: &Root, path: &Path) -> Result<(), Error> {
    let Some(target) = root.lookup(path, false)? else {
        return Ok(());
    };
    let shown = path.display();
    let tree = sys::clone_fd(&target, true, &shown)?;
    sys::set_propagation(&tree, PropagationKind::Private, false, &shown)?;
    sys::set_attributes(&tree, READ_ONLY, false, &shown)?;
    Ok(sys::move_mount(&tree, &target, &shown)?)
}

/// The host's /dev/null, checked to be it: the image's could be anything (CVE-2025-31133).
pub(super) fn open_null() -> Result<OwnedFd, Error> {
    let path = Path::new("/dev/null");
    let fd = sys::clone_path(path, false)?;
    let stat = kernel::stat(&fd, path.display())?;
    if kernel::kind(&stat) != SFlag::S_IFCHR || stat.st_rdev != makedev(1, 3) {
        return Err(Error::Unusable(
            "/dev/null of the host is another device".to_owned(),
        ));
    }
    sys::set_propagation(&fd, PropagationKind::Private, false, path.display())?;
    // The node is the host's: its owner, mode and times must not be the container's to change.
    sys::set_attributes(&fd, READ_ONLY, false, path.display())?;
    Ok(fd)
}

/// What covers masked paths. A detached mount can be attached once; copies are made of it when it stands, because
/// kernels before 6.15 clone only what is in the own namespace.
struct Masks<'a> {
    root: &'a Root,
    null: Option<OwnedFd>,
    file: Option<OwnedFd>,
    directory: Option<OwnedFd>,
}

impl Masks<'_> {
    fn cover_all(mut self, paths: &[PathBuf]) -> Result<(), Error> {
        for path in paths {
            self.cover(path)
                .map_err(|error| error.during(format!("cannot mask {}", path.display())))?;
        }
        Ok(())
    }

    fn cover(&mut self, path: &Path) -> Result<(), Error> {
        let Some(target) = self.root.lookup(path, false)? else {
            return Ok(());
        };
        let shown = path.display();
        let is_directory = kernel::is_directory(&kernel::stat(&target, &shown)?);
        let standing = if is_directory {
            &self.directory
        } else {
            &self.file
        };
        let tree = match standing {
            Some(fd) => {
                let tree = sys::clone_fd(fd, false, &shown)?;
                sys::set_propagation(&tree, PropagationKind::Private, false, &shown)?;
                tree
            }
            None if is_directory => empty_directory()?,
            None => self
                .null
                .take()
                .ok_or_else(|| CallError::new("open_tree(/dev/null)", Errno::ENOENT))?,
        };
        sys::move_mount(&tree, &target, &shown)?;
        if is_directory {
            self.directory = Some(tree);
        } else {
            self.file = Some(tree);
        }
        Ok(())
    }
}

/// An empty tmpfs whose superblock is read-only and belongs to the host, so that not even root in a user namespace can
/// make it writable.
fn empty_directory() -> Result<OwnedFd, Error> {
    let options = ["mode=755", "size=4k", "nr_inodes=2", "ro"].map(str::to_owned);
    let attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    Ok(sys::make_superblock(
        "tmpfs",
        Some("tmpfs"),
        &options,
        attrs,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lxc_may_need_is_covered_late() {
        let apart = |path: &str| is_apart(Path::new(path));
        assert!(apart("/proc/kcore") && apart("/proc/bus") && apart("/sys/firmware/x"));
        for path in [
            "/proc",
            "/sys",
            "/proc/self",
            "/proc/self/attr",
            "/proc/thread-self",
            "/proc/1/environ",
            "/proc/mounts",
            "/proc/net",
            "/proc/sys/kernel",
            "/sys/fs/selinux",
            "/sys/kernel/security",
            "/dev/null",
            "/",
        ] {
            assert!(!apart(path), "{path}");
        }
    }
}
