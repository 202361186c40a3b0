//! The directory /.lxcri in the root file system, over which the guest directory is mounted until init detaches it.
//!
//! Several containers may share a root file system. Each keeps a shared lock on the directory (flock(2)): the runtime takes
//! it and hands the descriptor to init, which detaches the mount before it waits for its start and closes the descriptor
//! with the start. Who gets the exclusive lock is the last one and removes the directory; a removal at any other moment
//! would detach the mount of another container whose init has not done so yet.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use hook_tree::names;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Mode of a directory that the runtime has made. The sticky bit tells it from one that the image brings, which stays: without it
/// the image would be of no use on a read-only file system afterwards.
const OWN: u32 = 0o1700;

/// Name of the directory in the root.
fn name() -> &'static str {
    names::GUEST_MOUNT.trim_start_matches('/')
}

/// The directory with its shared lock.
pub struct MountPoint {
    /// Keep it, or give it to init, as long as the directory must stay. The lock belongs to the open file and ends when
    /// the last descriptor of it is closed, wherever that is.
    pub lock: File,
}

fn root(rootfs: &Path) -> nix::Result<OwnedFd> {
    open(
        rootfs,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}

/// Makes the directory where it is missing and takes the shared lock.
pub fn acquire(rootfs: &Path) -> Result<MountPoint> {
    let shown = || format!("{}{}", rootfs.display(), names::GUEST_MOUNT);
    let root =
        root(rootfs).with_context(|| format!("open root file system {}", rootfs.display()))?;
    // Bounded, because another container can take the directory away between any two steps.
    for _ in 0..1000 {
        match mkdirat(root.as_fd(), name(), Mode::from_bits_truncate(OWN)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(Errno::EROFS) => bail!(
                "mkdir({}): read-only file system: make this empty directory in the image",
                shown()
            ),
            Err(e) => return Err(anyhow!(e)).with_context(|| format!("mkdir({})", shown())),
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file: File = match openat(root.as_fd(), name(), flags, Mode::empty()) {
            Ok(fd) => fd.into(),
            Err(Errno::ENOENT) => continue,
            Err(Errno::ELOOP | Errno::ENOTDIR) => {
                bail!("{} exists and is not a directory", shown())
            }
            Err(e) => return Err(anyhow!(e)).with_context(|| format!("open({})", shown())),
        };
        match file.try_lock_shared() {
            Ok(()) => {}
            // Somebody is about to remove it.
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(std::time::Duration::from_millis(1));
                continue;
            }
            Err(TryLockError::Error(e)) => {
                return Err(anyhow!(e)).with_context(|| format!("flock({}, LOCK_SH)", shown()));
            }
        }
        let lock = file;
        let metadata = lock
            .metadata()
            .with_context(|| format!("fstat({})", shown()))?;
        let same = fstatat(
            root.as_fd(),
            name(),
            nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
        )
        .is_ok_and(|s| (s.st_dev, s.st_ino) == (metadata.dev(), metadata.ino()));
        if same {
            return Ok(MountPoint { lock });
        }
    }
    bail!("{} keeps vanishing", shown())
}

/// The same directory, as the container's mount namespace shows it, with a shared lock of its own.
///
/// From a descriptor of the host's mount `..` leads through the host's file system, and whoever may look into init (CAP_SYS_PTRACE in
/// a shared pid namespace) has all descriptors of init. From this one it leads to the container's root and no further.
///
/// # Errors
/// Somebody has put another directory there, or a system call failed.
pub fn inside(outer: &MountPoint, place: &OwnedFd) -> Result<File> {
    // It is open for its path only; nothing is looked up by name.
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    let file = File::open(&path).with_context(|| format!("open {}", names::GUEST_MOUNT))?;
    let identity = |file: &File| {
        let metadata = file.metadata();
        let metadata = metadata.with_context(|| format!("fstat({})", names::GUEST_MOUNT))?;
        anyhow::Ok((metadata.dev(), metadata.ino()))
    };
    if identity(&file)? != identity(&outer.lock)? {
        bail!("{} was replaced by another directory", names::GUEST_MOUNT);
    }
    match file.try_lock_shared() {
        Ok(()) => Ok(file),
        Err(e) => Err(anyhow!(e)).with_context(|| format!("flock({})", names::GUEST_MOUNT)),
    }
}

/// Removes the directory if the runtime has made it, nobody else needs it and it is empty. `false` when somebody needs it.
pub fn release(rootfs: &Path) -> io::Result<bool> {
    let root = match root(rootfs) {
        Ok(root) => root,
        // The engine may take the root file system away before it calls delete.
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(true),
        Err(e) => return Err(e.into()),
    };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file: File = match openat(root.as_fd(), name(), flags, Mode::empty()) {
        Ok(fd) => fd.into(),
        Err(Errno::ENOENT | Errno::ELOOP | Errno::ENOTDIR) => return Ok(true),
        Err(e) => return Err(e.into()),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    if file.metadata()?.mode() & 0o7777 != OWN {
        return Ok(true);
    }
    match unlinkat(root.as_fd(), name(), UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT | Errno::ENOTEMPTY | Errno::EROFS) => Ok(true),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_removes_the_directory() {
        let rootfs = tempfile::tempdir().unwrap();
        let first = acquire(rootfs.path()).unwrap();
        let second = acquire(rootfs.path()).unwrap();
        drop(first);
        assert!(
            !release(rootfs.path()).unwrap(),
            "the second container still waits for its start"
        );
        assert!(rootfs.path().join(".lxcri").is_dir());
        drop(second);
        assert!(release(rootfs.path()).unwrap());
        assert!(!rootfs.path().join(".lxcri").exists());
        assert!(release(rootfs.path()).unwrap(), "nothing to do is no error");
    }

    #[test]
    fn a_symlink_of_the_image_is_refused() {
        let rootfs = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", rootfs.path().join(".lxcri")).unwrap();
        let error = acquire(rootfs.path()).err().unwrap().to_string();
        assert!(
            error.ends_with("/.lxcri exists and is not a directory"),
            "{error}"
        );
        assert!(release(rootfs.path()).unwrap());
        assert!(rootfs.path().join(".lxcri").is_symlink());
    }

    #[test]
    fn what_somebody_put_into_it_stays() {
        let rootfs = tempfile::tempdir().unwrap();
        drop(acquire(rootfs.path()).unwrap());
        std::fs::write(rootfs.path().join(".lxcri/x"), "").unwrap();
        assert!(release(rootfs.path()).unwrap());
        assert!(rootfs.path().join(".lxcri/x").exists());
    }
}
