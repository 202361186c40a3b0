//! What the container process is: session, limits, ids, capabilities, filters.

use super::{Fd, Result, call};
use crate::arch::nr;

const TIOCSCTTY: usize = 0x540e;
const PR_SET_DUMPABLE: usize = 4;
const PR_SET_KEEPCAPS: usize = 8;
const PR_CAPBSET_READ: usize = 23;
const PR_CAPBSET_DROP: usize = 24;
const PR_SET_NO_NEW_PRIVS: usize = 38;
const PR_CAP_AMBIENT: usize = 47;
const PR_CAP_AMBIENT_RAISE: usize = 2;
const PR_CAP_AMBIENT_CLEAR_ALL: usize = 4;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
const SECCOMP_SET_MODE_FILTER: usize = 1;

fn prctl(args: [usize; 5]) -> Result<usize> {
    // SAFETY: every option used here takes numbers only.
    unsafe { call(nr::PRCTL, args) }
}

/// Starts a session.
pub fn setsid() -> Result<()> {
    // SAFETY: takes nothing.
    unsafe { call(nr::SETSID, []) }.map(drop)
}

/// Makes a terminal the controlling one.
pub fn set_controlling_terminal(fd: Fd) -> Result<()> {
    // SAFETY: takes numbers only; 0 does not steal the terminal from another session.
    unsafe { call(nr::IOCTL, [fd.number() as usize, TIOCSCTTY, 0]) }.map(drop)
}

/// Sets the umask.
pub fn umask(mask: u32) {
    // SAFETY: takes a number and cannot fail.
    let _ = unsafe { call(nr::UMASK, [mask as usize]) };
}

/// Sets the execution domain.
pub fn personality(value: u32) -> Result<()> {
    // SAFETY: takes a number.
    unsafe { call(nr::PERSONALITY, [value as usize]) }.map(drop)
}

/// Sets a resource limit of this process.
pub fn set_rlimit(limit: hook_tree::Rlimit) -> Result<()> {
    let pair = [limit.soft, limit.hard];
    // SAFETY: `struct rlimit64` is two 64-bit numbers.
    unsafe {
        call(
            nr::PRLIMIT64,
            [0, limit.resource as usize, pair.as_ptr() as usize, 0],
        )
    }
    .map(drop)
}

/// Keeps other processes of the same user, even in a container, from looking into this one until it executes.
pub fn set_undumpable() -> Result<()> {
    prctl([PR_SET_DUMPABLE, 0, 0, 0, 0]).map(drop)
}

/// Lets the permitted capabilities survive the change of the user id.
pub fn keep_capabilities() -> Result<()> {
    prctl([PR_SET_KEEPCAPS, 1, 0, 0, 0]).map(drop)
}

/// Whether a capability is in the bounding set; EINVAL beyond the last one that the kernel knows.
pub fn bounding_has(capability: u32) -> Result<bool> {
    prctl([PR_CAPBSET_READ, capability as usize, 0, 0, 0]).map(|set| set != 0)
}

/// Drops a capability from the bounding set.
pub fn bounding_drop(capability: u32) -> Result<()> {
    prctl([PR_CAPBSET_DROP, capability as usize, 0, 0, 0]).map(drop)
}

/// Sets the supplementary groups from group ids in native byte order, four bytes each.
pub fn setgroups(ids: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads as many 32-bit ids as the slice holds, with no demand on their alignment.
    unsafe { call(nr::SETGROUPS, [ids.len() / 4, ids.as_ptr() as usize]) }.map(drop)
}

/// Sets real, effective and saved group id.
pub fn setgid(id: u32) -> Result<()> {
    // SAFETY: takes numbers only.
    unsafe { call(nr::SETRESGID, [id as usize; 3]) }.map(drop)
}

/// Sets real, effective and saved user id.
pub fn setuid(id: u32) -> Result<()> {
    // SAFETY: takes numbers only.
    unsafe { call(nr::SETRESUID, [id as usize; 3]) }.map(drop)
}

/// Sets the capability sets of this process.
pub fn capset(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    let header = [CAPABILITY_VERSION_3, 0];
    let (low, high) = (|set: u64| set as u32, |set: u64| (set >> 32) as u32);
    let data = [
        low(effective),
        low(permitted),
        low(inheritable),
        high(effective),
        high(permitted),
        high(inheritable),
    ];
    // SAFETY: version 3 of the header goes with two structures of three 32-bit numbers.
    unsafe {
        call(
            nr::CAPSET,
            [header.as_ptr() as usize, data.as_ptr() as usize],
        )
    }
    .map(drop)
}

/// Empties the ambient set.
pub fn ambient_clear() -> Result<()> {
    prctl([PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0]).map(drop)
}

/// Adds a capability to the ambient set.
pub fn ambient_raise(capability: u32) -> Result<()> {
    prctl([
        PR_CAP_AMBIENT,
        PR_CAP_AMBIENT_RAISE,
        capability as usize,
        0,
        0,
    ])
    .map(drop)
}

/// Gives up privileges gained by executing.
pub fn set_no_new_privs() -> Result<()> {
    prctl([PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]).map(drop)
}

/// Loads a seccomp filter: whole instructions of 8 bytes each, at most 4096.
pub fn seccomp(filter: &[u8], flags: u32) -> Result<()> {
    #[repr(C)]
    struct Program {
        count: u16,
        start: *const u8,
    }
    let program = Program {
        count: (filter.len() / 8) as u16,
        start: filter.as_ptr(),
    };
    // SAFETY: `struct sock_fprog` names whole instructions inside the slice.
    unsafe {
        call(
            nr::SECCOMP,
            [
                SECCOMP_SET_MODE_FILTER,
                flags as usize,
                &raw const program as usize,
            ],
        )
    }
    .map(drop)
}
