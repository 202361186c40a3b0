//! Making superblocks with the new mount API, and taking mounts away.

use super::{Fd, Ret, Str, call3, call5};
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

/// Sets an option: a flag `key`, or `key=value`.
pub fn fsconfig_set(context: Fd, option: Str) -> Ret {
    // The kernel takes keys of 255 bytes; a longer one is cut and unknown to every file system.
    let mut key = [0u8; 256];
    let mut command = FSCONFIG_SET_FLAG;
    let mut value = 0;
    for (slot, byte) in key.iter_mut().zip(option.bytes()).take(255) {
        value += 1;
        if *byte == b'=' {
            command = FSCONFIG_SET_STRING;
            break;
        }
        *slot = *byte;
    }
    let key = key.as_ptr() as usize;
    let value = if command == FSCONFIG_SET_FLAG {
        0
    } else {
        option.address() + value
    };
    // SAFETY: both strings end with NUL: the key has one byte more than is written, the value is the rest of `option`.
    unsafe { call5(nr::FSCONFIG, context.raw(), command, key, value, 0) }
}

/// Makes the superblock.
pub fn fsconfig_create(context: Fd) -> Ret {
    // SAFETY: the command takes no strings.
    unsafe { call5(nr::FSCONFIG, context.raw(), FSCONFIG_CMD_CREATE, 0, 0, 0) }
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
