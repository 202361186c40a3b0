//! Making superblocks with the new mount API, and taking mounts away.

use super::{Fd, Ret, Str, call3, call6};
use crate::arch::nr;

const FSOPEN_CLOEXEC: usize = 1;
const FSCONFIG_SET_FLAG: usize = 0;
const FSCONFIG_SET_STRING: usize = 1;
const FSCONFIG_CMD_CREATE: usize = 6;
const FSMOUNT_CLOEXEC: usize = 1;
const MNT_DETACH: usize = 2;
const UMOUNT_NOFOLLOW: usize = 8;
const PROC_MAGIC: u64 = 0x9fa0;

/// Begins a superblock of this type.
pub fn fsopen(fstype: Str) -> Ret {
    // SAFETY: the name ends with NUL.
    unsafe { call3(nr::FSOPEN, fstype.address(), FSOPEN_CLOEXEC, 0) }
}

/// Sets an option: a flag, or a key with a value.
pub fn fsconfig_set(context: Fd, key: Str, value: Option<Str>) -> Ret {
    let (command, value) = match value {
        Some(value) => (FSCONFIG_SET_STRING, value.address()),
        None => (FSCONFIG_SET_FLAG, 0),
    };
    // SAFETY: both strings end with NUL.
    unsafe {
        call6(
            nr::FSCONFIG,
            [context.raw(), command, key.address()],
            [value, 0, 0],
        )
    }
}

/// Makes the superblock.
pub fn fsconfig_create(context: Fd) -> Ret {
    // SAFETY: the command takes no strings.
    unsafe {
        call6(
            nr::FSCONFIG,
            [context.raw(), FSCONFIG_CMD_CREATE, 0],
            [0; 3],
        )
    }
}

/// Makes a detached mount of the superblock with these attributes (`MOUNT_ATTR_*`).
pub fn fsmount(context: Fd, attributes: usize) -> Ret {
    // SAFETY: takes numbers only.
    unsafe { call3(nr::FSMOUNT, context.raw(), FSMOUNT_CLOEXEC, attributes) }
}

/// Takes a mount, and those below it, out of the mount namespace.
pub fn detach(path: Str) -> Ret {
    // SAFETY: the path ends with NUL.
    unsafe { call3(nr::UMOUNT2, path.address(), MNT_DETACH | UMOUNT_NOFOLLOW, 0) }
}

/// Whether a file lives on procfs.
pub fn is_on_proc(fd: Fd) -> bool {
    let mut statfs = [0u64; 16];
    // SAFETY: `struct statfs` has 120 bytes.
    let _ = unsafe { call3(nr::FSTATFS, fd.raw(), statfs.as_mut_ptr() as usize, 0) };
    statfs[0] == PROC_MAGIC
}
