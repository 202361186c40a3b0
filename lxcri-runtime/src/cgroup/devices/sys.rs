//! The bpf(2) system call, as far as device programs need it.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;

const TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
/// Programs of levels above and below go on to be asked.
const ALLOW_MULTI: u32 = 2;
/// A cgroup takes at most this many (`BPF_CGROUP_MAX_PROGS`).
const MAX_PROGRAMS: usize = 64;

/// Our programs call nothing that asks for a GPL one.
const LICENSE: &CStr = c"Apache-2.0";

/// The members of `union bpf_attr` for `BPF_PROG_LOAD`, as long as the oldest kernel with device programs knows them.
#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// For `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`.
#[repr(C)]
struct Attach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
}

/// For `BPF_PROG_QUERY`.
#[repr(C)]
struct Query {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    _pad: u32,
}

/// For `BPF_PROG_GET_FD_BY_ID`.
#[repr(C)]
struct ById {
    prog_id: u32,
    next_id: u32,
    open_flags: u32,
}

/// # Safety
/// `T` must be the layout of `union bpf_attr` for `command`, and each address in it must be good for what the command does
/// with it.
unsafe fn bpf<T>(command: libc::c_int, attr: &mut T) -> Result<i32, Errno> {
    // SAFETY: the kernel reads and writes at most the given size at `attr`, which is exclusively borrowed; the caller answers
    // for what it points to.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attr),
            size_of::<T>(),
        )
    };
    // Descriptors and 0 fit.
    Errno::result(result).map(|value| value as i32)
}

/// One instruction: `struct bpf_insn` (include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Insn {
    pub(super) code: u8,
    /// Destination in one half, source in the other.
    pub(super) registers: u8,
    pub(super) offset: i16,
    pub(super) immediate: i32,
}

/// Loads a device program.
pub(super) fn load(program: &[Insn]) -> Result<OwnedFd, Errno> {
    match try_load(program) {
        // Before Linux 5.11 programs count as locked memory, and the usual limit is small.
        Err(Errno::EPERM) => {
            let (soft, hard) = getrlimit(Resource::RLIMIT_MEMLOCK)?;
            if setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_err() {
                return Err(Errno::EPERM);
            }
            let result = try_load(program);
            setrlimit(Resource::RLIMIT_MEMLOCK, soft, hard)?;
            result
        }
        other => other,
    }
}

fn try_load(program: &[Insn]) -> Result<OwnedFd, Errno> {
    let mut attr = Load {
        prog_type: TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        insns: program.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        ..Load::default()
    };
    // SAFETY: `Load` is the beginning of the attributes of BPF_PROG_LOAD; `insns` is the address of `insn_cnt` instructions
    // in the kernel's layout, `license` of a C string, both alive during the call; no log buffer is given.
    let fd = unsafe { bpf(PROG_LOAD, &mut attr) }?;
    // SAFETY: a successful BPF_PROG_LOAD returns a new descriptor (close-on-exec) that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes the kernel ask `program` at each access to a device from the cgroup, beside programs of other levels.
pub(super) fn attach(cgroup: &OwnedFd, program: &OwnedFd) -> Result<(), Errno> {
    attach_or_detach(PROG_ATTACH, cgroup, program, ALLOW_MULTI)
}

/// Undoes [`attach`].
pub(super) fn detach(cgroup: &OwnedFd, program: &OwnedFd) -> Result<(), Errno> {
    attach_or_detach(PROG_DETACH, cgroup, program, 0)
}

fn attach_or_detach(
    command: libc::c_int,
    cgroup: &OwnedFd,
    program: &OwnedFd,
    flags: u32,
) -> Result<(), Errno> {
    let mut attr = Attach {
        target_fd: cgroup.as_raw_fd() as u32,
        attach_bpf_fd: program.as_raw_fd() as u32,
        attach_type: CGROUP_DEVICE,
        attach_flags: flags,
    };
    // SAFETY: `Attach` is the beginning of the attributes of both commands and holds no address.
    unsafe { bpf(command, &mut attr) }.map(drop)
}

/// The device programs attached to the cgroup itself.
pub(super) fn attached(cgroup: &OwnedFd) -> Result<Vec<OwnedFd>, Errno> {
    let mut ids = [0u32; MAX_PROGRAMS];
    let mut attr = Query {
        target_fd: cgroup.as_raw_fd() as u32,
        attach_type: CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: MAX_PROGRAMS as u32,
        _pad: 0,
    };
    // SAFETY: `Query` is the beginning of the attributes of BPF_PROG_QUERY; `prog_ids` is the address of `prog_cnt` numbers
    // that the kernel fills, alive and not otherwise used during the call.
    unsafe { bpf(PROG_QUERY, &mut attr) }?;
    let mut programs = Vec::new();
    for id in ids.iter().take(attr.prog_cnt as usize) {
        let mut attr = ById {
            prog_id: *id,
            next_id: 0,
            open_flags: 0,
        };
        // SAFETY: `ById` is the attributes of BPF_PROG_GET_FD_BY_ID and holds no address.
        match unsafe { bpf(PROG_GET_FD_BY_ID, &mut attr) } {
            // SAFETY: the command returns a new descriptor (close-on-exec) that nobody else owns.
            Ok(fd) => programs.push(unsafe { OwnedFd::from_raw_fd(fd) }),
            // Detached since the query.
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(programs)
}
