//! File system calls relative to descriptors, with errors that show the call.
#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::{FileStat, Mode, SFlag};
use nix::sys::statfs::{FsType, PROC_SUPER_MAGIC};

use super::error::CallError;

/// openat2(2) reports EAGAIN when a rename elsewhere makes `..` unsafe to decide; it then wants to be asked again.
const RENAME_RETRIES: usize = 128;

/// The kind of file, out of its mode.
pub(super) fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

pub(super) fn is_directory(stat: &FileStat) -> bool {
    kind(stat) == SFlag::S_IFDIR
}

pub(super) fn stat(fd: impl AsFd, shown: impl Display) -> Result<FileStat, CallError> {
    nix::sys::stat::fstat(fd).map_err(|errno| CallError::new(format!("fstat({shown})"), errno))
}

pub(super) fn fs_type(fd: impl AsFd, shown: impl Display) -> Result<FsType, CallError> {
    nix::sys::statfs::fstatfs(fd)
        .map(|found| found.filesystem_type())
        .map_err(|errno| CallError::new(format!("fstatfs({shown})"), errno))
}

pub(super) fn is_procfs(fd: impl AsFd, shown: impl Display) -> Result<bool, CallError> {
    Ok(fs_type(fd, shown)? == PROC_SUPER_MAGIC)
}

/// openat2(2) below `root`, which is `/` to the path.
pub(super) fn open_in_root(
    root: impl AsFd,
    path: &Path,
    flags: OFlag,
    resolve: ResolveFlag,
) -> Result<OwnedFd, CallError> {
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(resolve | ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let mut result = Err(Errno::EAGAIN);
    for _ in 0..RENAME_RETRIES {
        result = nix::fcntl::openat2(root.as_fd(), path, how);
        if !matches!(result, Err(Errno::EAGAIN | Errno::EINTR)) {
            break;
        }
    }
    result.map_err(|errno| {
        CallError::new(
            format!("openat2(rootfs, {}, RESOLVE_IN_ROOT)", path.display()),
            errno,
        )
    })
}

/// Opens `name`, one component, never following a symlink.
pub(super) fn open_at(dir: impl AsFd, name: &OsStr, flags: OFlag) -> Result<OwnedFd, CallError> {
    open_with_mode(dir, name, flags, Mode::empty())
}

pub(super) fn open_with_mode(
    dir: impl AsFd,
    name: &OsStr,
    flags: OFlag,
    mode: Mode,
) -> Result<OwnedFd, CallError> {
    nix::fcntl::openat(
        dir,
        name,
        flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        mode,
    )
    .map_err(|errno| CallError::new(format!("openat({})", name.display()), errno))
}

pub(super) fn make_directory(dir: impl AsFd, name: &OsStr, mode: Mode) -> Result<(), CallError> {
    nix::sys::stat::mkdirat(dir, name, mode).map_err(|errno| {
        CallError::new(
            format!("mkdirat({}, {:#o})", name.display(), mode.bits()),
            errno,
        )
    })
}

/// Makes an empty regular file; one that is there already is an error (EEXIST).
pub(super) fn make_file(dir: impl AsFd, name: &OsStr, mode: Mode) -> Result<OwnedFd, CallError> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY;
    open_with_mode(dir, name, flags, mode)
}

pub(super) fn make_symlink(target: &OsStr, dir: impl AsFd, name: &OsStr) -> Result<(), CallError> {
    nix::unistd::symlinkat(target, dir, name).map_err(|errno| {
        CallError::new(
            format!("symlinkat({}, {})", target.display(), name.display()),
            errno,
        )
    })
}

/// The text of the symlink that `fd`, an O_PATH descriptor, refers to.
pub(super) fn read_link(fd: impl AsFd, shown: impl Display) -> Result<OsString, CallError> {
    nix::fcntl::readlinkat(fd, "")
        .map_err(|errno| CallError::new(format!("readlinkat({shown})"), errno))
}

/// Gives `name` to another owner; a symlink itself, not what it points to.
pub(super) fn change_owner(
    dir: impl AsFd,
    name: &OsStr,
    uid: u32,
    gid: u32,
) -> Result<(), CallError> {
    nix::unistd::fchownat(
        dir,
        name,
        Some(uid.into()),
        Some(gid.into()),
        AtFlags::AT_SYMLINK_NOFOLLOW,
    )
    .map_err(|errno| CallError::new(format!("fchownat({}, {uid}, {gid})", name.display()), errno))
}
