//! What the container process is: session, limits, ids, capabilities, filters.

use super::{Fd, Ret, call3, call6};
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

fn prctl(option: usize, a: usize, b: usize) -> Ret {
    // SAFETY: every option used here takes numbers only; those that look at more of them want zeros.
    unsafe { call6(nr::PRCTL, [option, a, b], [0; 3]) }
}

/// Starts a session.
pub fn setsid() -> Ret {
    // SAFETY: takes nothing.
    unsafe { call3(nr::SETSID, 0, 0, 0) }
}

/// Makes a terminal the controlling one.
pub fn set_controlling_terminal(fd: Fd) -> Ret {
    // SAFETY: takes numbers only; 0 does not steal the terminal from another session.
    unsafe { call3(nr::IOCTL, fd.raw(), TIOCSCTTY, 0) }
}

/// Sets the umask; cannot fail.
pub fn umask(mask: u64) -> Ret {
    // SAFETY: takes a number.
    unsafe { call3(nr::UMASK, mask as usize, 0, 0) }
}

/// Sets the execution domain.
pub fn personality(value: u64) -> Ret {
    // SAFETY: takes a number.
    unsafe { call3(nr::PERSONALITY, value as usize, 0, 0) }
}

/// Sets a resource limit of this process.
pub fn set_rlimit(limit: hook_tree::Rlimit) -> Ret {
    let pair = [limit.soft, limit.hard];
    let what = [0, limit.resource as usize, pair.as_ptr() as usize];
    // SAFETY: `struct rlimit64` is two 64-bit numbers.
    unsafe { call6(nr::PRLIMIT64, what, [0; 3]) }
}

/// Keeps other processes of the same user, even in a container, from looking into this one until it executes.
pub fn set_undumpable() -> Ret {
    prctl(PR_SET_DUMPABLE, 0, 0)
}

/// Lets the permitted capabilities survive the change of the user id.
pub fn keep_capabilities() -> Ret {
    prctl(PR_SET_KEEPCAPS, 1, 0)
}

/// Whether a capability is in the bounding set: 0 or 1; EINVAL beyond the last one that the kernel knows.
pub fn bounding_has(capability: usize) -> Ret {
    prctl(PR_CAPBSET_READ, capability, 0)
}

/// Drops a capability from the bounding set.
pub fn bounding_drop(capability: usize) -> Ret {
    prctl(PR_CAPBSET_DROP, capability, 0)
}

/// Empties the ambient set.
pub fn ambient_clear() -> Ret {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0)
}

/// Adds a capability to the ambient set.
pub fn ambient_raise(capability: usize) -> Ret {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)
}

/// Gives up privileges gained by executing.
pub fn set_no_new_privs() -> Ret {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0)
}

/// Sets the supplementary groups from group ids in native byte order, four bytes each.
pub fn setgroups(ids: &[u8]) -> Ret {
    // SAFETY: the kernel reads as many 32-bit ids as the slice holds, with no demand on their alignment.
    unsafe { call3(nr::SETGROUPS, ids.len() / 4, ids.as_ptr() as usize, 0) }
}

/// Sets real, effective and saved group id.
pub fn setgid(id: u64) -> Ret {
    // SAFETY: takes numbers only.
    unsafe { call3(nr::SETRESGID, id as usize, id as usize, id as usize) }
}

/// Sets real, effective and saved user id.
pub fn setuid(id: u64) -> Ret {
    // SAFETY: takes numbers only.
    unsafe { call3(nr::SETRESUID, id as usize, id as usize, id as usize) }
}

/// Sets the capability sets of this process: effective, permitted, inheritable.
pub fn capset(sets: [u64; 3]) -> Ret {
    let header = [CAPABILITY_VERSION_3, 0];
    let low = sets.map(|set| set as u32);
    let high = sets.map(|set| (set >> 32) as u32);
    let data = [low, high];
    // SAFETY: version 3 of the header goes with two structures of three 32-bit numbers.
    unsafe {
        call3(
            nr::CAPSET,
            header.as_ptr() as usize,
            data.as_ptr() as usize,
            0,
        )
    }
}

/// Loads a seccomp filter: whole instructions of 8 bytes each, at most 4096.
pub fn seccomp(filter: &[u8], flags: u64) -> Ret {
    #[repr(C)]
    struct Program {
        count: u16,
        start: *const u8,
    }
    let program = Program {
        count: (filter.len() / 8) as u16,
        start: filter.as_ptr(),
    };
    let at = &raw const program as usize;
    // SAFETY: `struct sock_fprog` names whole instructions inside the slice.
    unsafe { call3(nr::SECCOMP, SECCOMP_SET_MODE_FILTER, flags as usize, at) }
}
