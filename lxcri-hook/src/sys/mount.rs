//! Making superblocks with the new mount API, and taking mounts away.

use super::{Fd, Result, call};
use crate::arch::nr;
use core::ffi::CStr;

const FSOPEN_CLOEXEC: usize = 1;
const FSCONFIG_SET_FLAG: usize = 0;
const FSCONFIG_SET_STRING: usize = 1;
const FSCONFIG_CMD_CREATE: usize = 6;
const FSMOUNT_CLOEXEC: usize = 1;
const MNT_DETACH: usize = 2;
const UMOUNT_NOFOLLOW: usize = 8;
/// Magic number of procfs.
pub const PROC_MAGIC: u64 = 0x9fa0;

/// Begins a superblock of this type.
pub fn fsopen(fstype: &CStr) -> Result<Fd> {
    // SAFETY: the name ends with NUL.
    unsafe { call(nr::FSOPEN, [fstype.as_ptr() as usize, FSOPEN_CLOEXEC]) }.map(Fd::from_returned)
}

/// Sets an option: a flag, or a key with a value.
pub fn fsconfig_set(context: Fd, key: &CStr, value: Option<&CStr>) -> Result<()> {
    let (command, value) = match value {
        Some(value) => (FSCONFIG_SET_STRING, value.as_ptr() as usize),
        None => (FSCONFIG_SET_FLAG, 0),
    };
    // SAFETY: both strings end with NUL.
    unsafe {
        call(
            nr::FSCONFIG,
            [
                context.number() as usize,
                command,
                key.as_ptr() as usize,
                value,
                0,
            ],
        )
    }
    .map(drop)
}

/// Makes the superblock.
pub fn fsconfig_create(context: Fd) -> Result<()> {
    // SAFETY: the command takes no strings.
    unsafe {
        call(
            nr::FSCONFIG,
            [context.number() as usize, FSCONFIG_CMD_CREATE, 0, 0, 0],
        )
    }
    .map(drop)
}

/// Makes a detached mount of the superblock with these attributes (`MOUNT_ATTR_*`).
pub fn fsmount(context: Fd, attributes: usize) -> Result<Fd> {
    // SAFETY: takes numbers only.
    unsafe {
        call(
            nr::FSMOUNT,
            [context.number() as usize, FSMOUNT_CLOEXEC, attributes],
        )
    }
    .map(Fd::from_returned)
}

/// Takes a mount, and those below it, out of the mount namespace.
pub fn detach(path: &CStr) -> Result<()> {
    // SAFETY: the path ends with NUL.
    unsafe {
        call(
            nr::UMOUNT2,
            [path.as_ptr() as usize, MNT_DETACH | UMOUNT_NOFOLLOW],
        )
    }
    .map(drop)
}

/// The magic number of the file system that a file lives on.
pub fn filesystem_magic(fd: Fd) -> Result<u64> {
    let mut statfs = [0u64; 16];
    // SAFETY: `struct statfs` has 120 bytes.
    unsafe {
        call(
            nr::FSTATFS,
            [fd.number() as usize, statfs.as_mut_ptr() as usize],
        )
    }?;
    Ok(statfs[0])
}
