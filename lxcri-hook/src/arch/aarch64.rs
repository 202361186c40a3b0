//! aarch64: entry, system calls, numbers.

use core::arch::{asm, global_asm};
use core::ffi::c_void;

global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "mov x0, sp",
    "bl {entry}",
    "brk #1",
    entry = sym crate::start::entry,
);

/// An instruction that is none: the kernel ends the process with SIGILL, also the first one of a pid namespace.
pub fn trap() -> ! {
    // SAFETY: does not return.
    unsafe { asm!("udf #0", options(noreturn, nomem, nostack)) }
}

/// Makes a system call and returns what the kernel returns: a value, or an error as -4095..=-1.
///
/// Not inlined: a call is smaller than the six registers and the clobbers at each of the many call sites.
///
/// # Safety
/// The arguments must be right for the call; in particular every pointer must be valid for what the kernel does with it.
#[inline(never)]
pub unsafe extern "C" fn syscall3(a: usize, b: usize, c: usize, number: usize) -> isize {
    let result;
    // SAFETY: the kernel changes x0 only; the rest is the caller's promise.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c,
            options(nostack),
        );
    }
    result
}

/// [`syscall3`] with up to six arguments.
///
/// # Safety
/// As for [`syscall3`].
#[inline(never)]
pub unsafe extern "C" fn syscall6(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    number: usize,
) -> isize {
    let result;
    // SAFETY: the kernel changes x0 only; the rest is the caller's promise.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    result
}

/// `clone` for a child that runs `child(arg)` on this stack, below what is in use.
///
/// # Safety
/// `flags` contain `CLONE_VM | CLONE_VFORK`: the caller waits until the child has executed or exited, so that `arg`
/// outlives the child's use of it and the two never use the stack at the same time.
#[inline(never)]
pub unsafe fn clone_vfork(
    flags: usize,
    pidfd: *mut i32,
    child: unsafe extern "C" fn(*mut c_void) -> !,
    arg: *mut c_void,
) -> isize {
    let result;
    // SAFETY: the child never returns from `child` and touches nothing above its stack pointer but through `arg`; the
    // parent sees an ordinary call. The stack is aligned as for a call, because the block does not say `nostack`.
    unsafe {
        asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x0, x9",
            "blr x10",
            "2:",
            in("x8") nr::CLONE,
            inlateout("x0") flags => result,
            in("x1") 0, in("x2") pidfd, in("x3") 0, in("x4") 0,
            in("x9") arg, in("x10") child,
            lateout("x30") _,
        );
    }
    result
}

/// Offset of `st_mode` in `struct stat`.
pub const STAT_MODE: usize = 16;
/// Offset of `st_size` in `struct stat`.
pub const STAT_SIZE: usize = 48;

/// Numbers of the system calls.
pub mod nr {
    pub const DUP3: usize = 24;
    pub const FCNTL: usize = 25;
    pub const IOCTL: usize = 29;
    pub const CHDIR: usize = 49;
    pub const FCHDIR: usize = 50;
    pub const OPENAT: usize = 56;
    pub const CLOSE: usize = 57;
    pub const PIPE2: usize = 59;
    pub const GETDENTS64: usize = 61;
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const WRITEV: usize = 66;
    pub const PPOLL: usize = 73;
    pub const FSTAT: usize = 80;
    pub const EXIT_GROUP: usize = 94;
    pub const CLOCK_GETTIME: usize = 113;
    pub const KILL: usize = 129;
    pub const RT_SIGACTION: usize = 134;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const SETPGID: usize = 154;
    pub const UMOUNT2: usize = 39;
    pub const PRCTL: usize = 167;
    pub const SOCKET: usize = 198;
    pub const CONNECT: usize = 203;
    pub const SENDMSG: usize = 211;
    pub const RECVMSG: usize = 212;
    pub const MREMAP: usize = 216;
    pub const CLONE: usize = 220;
    pub const EXECVE: usize = 221;
    pub const MMAP: usize = 222;
    pub const WAIT4: usize = 260;
    pub const CLOSE_RANGE: usize = 436;
    pub const OPENAT2: usize = 437;
}
