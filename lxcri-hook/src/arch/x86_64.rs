//! x86_64: entry, system calls, numbers.

use core::arch::{asm, global_asm};
use core::ffi::c_void;

global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {entry}",
    "ud2",
    entry = sym crate::start::entry,
);

/// An instruction that is none: the kernel ends the process with SIGILL, also the first one of a pid namespace.
pub fn trap() -> ! {
    // SAFETY: does not return.
    unsafe { asm!("ud2", options(noreturn, nomem, nostack)) }
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
    // SAFETY: the kernel clobbers rcx and r11 only; the rest is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c,
            lateout("rcx") _, lateout("r11") _,
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
    // SAFETY: the kernel clobbers rcx and r11 only; the rest is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
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
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov rdi, r12",
            "call r13",
            "2:",
            inlateout("rax") nr::CLONE => result,
            in("rdi") flags, in("rsi") 0, in("rdx") pidfd, in("r10") 0, in("r8") 0,
            in("r12") arg, in("r13") child,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// Offset of `st_mode` in `struct stat`.
pub const STAT_MODE: usize = 24;
/// Offset of `st_size` in `struct stat`.
pub const STAT_SIZE: usize = 48;

/// Numbers of the system calls.
pub mod nr {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const WRITEV: usize = 20;
    pub const CLOSE: usize = 3;
    pub const FSTAT: usize = 5;
    pub const MMAP: usize = 9;
    pub const RT_SIGACTION: usize = 13;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const IOCTL: usize = 16;
    pub const MREMAP: usize = 25;
    pub const SOCKET: usize = 41;
    pub const CONNECT: usize = 42;
    pub const SENDMSG: usize = 46;
    pub const RECVMSG: usize = 47;
    pub const CLONE: usize = 56;
    pub const EXECVE: usize = 59;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const FCNTL: usize = 72;
    pub const CHDIR: usize = 80;
    pub const FCHDIR: usize = 81;
    pub const SETPGID: usize = 109;
    pub const PRCTL: usize = 157;
    pub const UMOUNT2: usize = 166;
    pub const GETDENTS64: usize = 217;
    pub const CLOCK_GETTIME: usize = 228;
    pub const EXIT_GROUP: usize = 231;
    pub const OPENAT: usize = 257;
    pub const PPOLL: usize = 271;
    pub const DUP3: usize = 292;
    pub const PIPE2: usize = 293;
    pub const CLOSE_RANGE: usize = 436;
    pub const OPENAT2: usize = 437;
}
