//! The birth of the child: clone with borrowed memory, and what happens between clone and execve.

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sched::CpuSet;

use super::{Child, Spawn, Step};
use crate::affinity::{Affinity, Held};
use crate::error::CallError;
use crate::sys::{reap, wait_for_children};

/// The umask of hooks.
const UMASK: c_int = 0o022;
/// Size in bytes of the child's stack, of which it uses a few hundred.
const STACK: usize = 32 << 10;
/// Size in bytes of the inaccessible area below that stack; no page is larger.
const GUARD: usize = 64 << 10;
/// Size in bytes of the kernel's `sigset_t`; glibc's is larger.
const SIGSET: usize = 8;
/// The highest signal number.
const SIGNALS: c_int = 64;

/// What the child reads; it shares the parent's memory.
struct Plan<'a> {
    path: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
    executable: Option<RawFd>,
    cwd: *const c_char,
    stdio: [RawFd; 3],
    /// The signals whose dispositions are to become the default.
    signals: &'a [c_int],
    /// The caller's pid, to be compared with the child's parent.
    die_with: Option<libc::pid_t>,
    /// The processors for which the child gives up the one that it is held on.
    processors: Option<&'a CpuSet>,
    /// Where the child reports the step that failed, and why. Written by the child while the parent is suspended.
    failed: AtomicI32,
    errno: AtomicI32,
}

/// Where children are born. What it holds serves any number of them, one after the other.
pub struct Birthplace {
    stack: Stack,
    /// The signals whose dispositions a child must not inherit.
    signals: Vec<c_int>,
    affinity: Option<Affinity>,
}

impl Birthplace {
    /// Maps the stack, and looks at the dispositions that the calling process has now. That of SIGCHLD becomes one with which
    /// children can be waited for.
    pub fn new() -> Result<Birthplace, CallError> {
        wait_for_children().map_err(CallError::of("sigaction(SIGCHLD)"))?;
        Ok(Birthplace {
            stack: Stack::new().map_err(CallError::of("mmap(stack)"))?,
            signals: (1..=SIGNALS)
                .filter(|signal| !is_default(*signal))
                .collect(),
            affinity: Affinity::of_this_thread(),
        })
    }
}

/// Whether a signal does in a child what it does in any new process: it is handled by default, or cannot be handled at all.
fn is_default(signal: c_int) -> bool {
    if matches!(signal, libc::SIGKILL | libc::SIGSTOP) {
        return true;
    }
    // SAFETY: sigaction is plain data for which zero is a value.
    let mut current: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: `current` may be written to; the action is not changed.
    let asked = unsafe { libc::sigaction(signal, ptr::null(), &mut current) };
    // glibc does not tell about the signals that it keeps for itself.
    asked == 0 && current.sa_sigaction == libc::SIG_DFL
}

/// Makes a child and returns when it has executed its program or failed to. `made` gets its pid in both cases.
///
/// CLONE_VM and CLONE_VFORK: the child borrows the caller's memory, so that nothing of it is copied, however much the
/// caller has mapped, and it can say what went wrong without a pipe. CLONE_PIDFD leaves no moment in which the pid alone
/// identifies it. The child only makes system calls, and all signals are blocked, so that no handler of the caller runs
/// in it on the shared memory.
pub fn spawn(place: &Birthplace, spawn: &Spawn<'_>, made: &mut u32) -> Result<Child, CallError> {
    let argv = pointers(spawn.argv);
    let envp = pointers(spawn.envp);
    let held = place.affinity.as_ref().and_then(Affinity::hold);
    let plan = Plan {
        path: spawn.path.as_ptr(),
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        executable: spawn.executable.map(|fd| fd.as_raw_fd()),
        cwd: spawn.cwd.as_ptr(),
        stdio: spawn.stdio.map(|fd| fd.as_raw_fd()),
        signals: &place.signals,
        die_with: spawn
            .die_with_caller
            .then(nix::unistd::getpid)
            .map(nix::unistd::Pid::as_raw),
        processors: held.as_ref().map(Held::mask),
        failed: AtomicI32::new(Step::None as i32),
        errno: AtomicI32::new(0),
    };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: c_int = -1;
    let blocked = AllBlocked::new();
    // SAFETY: this thread is suspended (CLONE_VFORK) while the child uses the plan and the stack, which no other thread has
    // (a pointer is not Sync) and to whose upper end `top` points. CLONE_PIDFD wants a pointer to an int.
    let pid = unsafe {
        libc::clone(
            child,
            place.stack.top(),
            flags,
            ptr::from_ref(&plan).cast_mut().cast(),
            ptr::from_mut(&mut pidfd),
        )
    };
    let pid = Errno::result(pid).map_err(CallError::of("clone(CLONE_VM|CLONE_VFORK|CLONE_PIDFD)"));
    drop(blocked);
    drop(held);
    let pid = pid?;
    *made = pid.unsigned_abs();
    // SAFETY: the call succeeded, so this is a new descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let failed = plan.failed.load(Ordering::Acquire);
    match Step::ALL.into_iter().find(|step| *step as i32 == failed) {
        None => Ok(Child { pid, pidfd }),
        Some(step) => {
            // It has ended, so this does not block. That it cannot be reaped is not worse than why it failed.
            let _ = reap(pidfd.as_fd());
            Err(CallError::of(step.call(spawn))(Errno::from_raw(
                plan.errno.load(Ordering::Acquire),
            )))
        }
    }
}

/// The pointers to some strings, a null at the end.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|text| text.as_ptr())
        .chain([ptr::null()])
        .collect()
}

/// The child, from clone to execve. Everything in here must be safe in a process that shares its memory with a suspended
/// thread and with others that run: system calls only, no allocation, no lock.
extern "C" fn child(plan: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a pointer to a plan that outlives this function, and nobody writes to it but through atomics.
    let plan = unsafe { &*plan.cast_const().cast::<Plan<'_>>() };
    let (step, errno) = match become_hook(plan) {
        Err(failure) => failure,
        // execve does not return when it succeeds.
        Ok(()) => (Step::Exec, Errno::UnknownErrno as i32),
    };
    plan.errno.store(errno, Ordering::Release);
    plan.failed.store(step as i32, Ordering::Release);
    127
}

fn become_hook(plan: &Plan<'_>) -> Result<(), (Step, i32)> {
    let check = |step: Step, result: c_long| {
        if result < 0 {
            Err((step, Errno::last_raw()))
        } else {
            Ok(())
        }
    };

    // SAFETY: no pointer is passed.
    check(Step::Setpgid, unsafe {
        libc::syscall(libc::SYS_setpgid, 0, 0)
    })?;

    // A handler of the caller must not run here once the mask is empty, and an ignored signal would stay ignored after
    // execve. All zero is SIG_DFL on every architecture, and no `struct sigaction` of a kernel is larger.
    let default = [0u64; 8];
    for signal in plan.signals {
        // SAFETY: `default` is longer than what the kernel reads; the old action is not asked for.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                *signal,
                default.as_ptr(),
                ptr::null::<c_void>(),
                SIGSET,
            )
        };
        check(Step::Sigaction, result)?;
    }

    if let Some(parent) = plan.die_with {
        // SAFETY: no pointer is passed.
        let result = unsafe {
            libc::syscall(
                libc::SYS_prctl,
                libc::PR_SET_PDEATHSIG,
                libc::SIGKILL,
                0,
                0,
                0,
            )
        };
        check(Step::Prctl, result)?;
        // SAFETY: no pointer is passed.
        if unsafe { libc::syscall(libc::SYS_getppid) } != c_long::from(parent) {
            // It was over before it was set.
            return Err((Step::Prctl, libc::ESRCH));
        }
    }

    // SAFETY: no pointer is passed. The call cannot fail.
    unsafe { libc::syscall(libc::SYS_umask, UMASK) };
    // SAFETY: a C string that outlives this function.
    check(Step::Chdir, unsafe {
        libc::syscall(libc::SYS_chdir, plan.cwd)
    })?;
    for (target, source) in (0..).zip(plan.stdio) {
        // SAFETY: no pointer is passed. The source is none of the targets, so none is overwritten before its turn.
        check(Step::Dup, unsafe {
            libc::syscall(libc::SYS_dup3, source, target, 0)
        })?;
    }
    // Close-on-exec and not closed at once: the executable may be among them.
    // SAFETY: no pointer is passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            c_int::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    check(Step::CloseRange, result)?;

    let empty = [0u64; 1];
    // SAFETY: `empty` has the size of the kernel's `sigset_t`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            empty.as_ptr(),
            ptr::null::<c_void>(),
            SIGSET,
        )
    };
    check(Step::Sigprocmask, result)?;

    if let Some(processors) = plan.processors {
        // SAFETY: a mask of the size that is passed, to be read.
        let result = unsafe {
            libc::syscall(
                libc::SYS_sched_setaffinity,
                0,
                size_of::<CpuSet>(),
                ptr::from_ref(processors),
            )
        };
        check(Step::Setaffinity, result)?;
        // The parent sleeps, but since Linux 6.12 counts as a process that waits for this processor until the scheduler has
        // looked at it again. With one that waits, execve would move this one to another.
        // SAFETY: no pointer is passed. The call cannot fail.
        unsafe { libc::syscall(libc::SYS_sched_yield) };
    }

    let result = match plan.executable {
        // SAFETY: path and the two arrays are C strings and null-ended arrays of such; the empty path is one, too.
        Some(fd) => unsafe {
            libc::syscall(
                libc::SYS_execveat,
                fd,
                c"".as_ptr(),
                plan.argv,
                plan.envp,
                libc::AT_EMPTY_PATH,
            )
        },
        // SAFETY: as above.
        None => unsafe { libc::syscall(libc::SYS_execve, plan.path, plan.argv, plan.envp) },
    };
    check(Step::Exec, result)
}

/// Blocks every signal of this thread while it lives, those included that glibc keeps for itself.
struct AllBlocked {
    before: u64,
}

impl AllBlocked {
    fn new() -> AllBlocked {
        let mut before = 0;
        set_mask(u64::MAX, &mut before);
        AllBlocked { before }
    }
}

impl Drop for AllBlocked {
    fn drop(&mut self) {
        set_mask(self.before, &mut 0);
    }
}

fn set_mask(mask: u64, before: &mut u64) {
    // SAFETY: both point to 8 bytes, the size that is passed. The call fails only for a bad pointer or size.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            ptr::from_ref(&mask),
            ptr::from_mut(before),
            SIGSET,
        )
    };
}

/// Memory for the child's stack with an inaccessible area below.
struct Stack {
    base: *mut c_void,
}

impl Stack {
    fn new() -> Result<Stack, Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                GUARD + STACK,
                libc::PROT_NONE,
                flags,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let stack = Stack { base };
        // SAFETY: the upper part of the mapping just made, on a page boundary as GUARD is a multiple of the page size.
        let result = unsafe {
            libc::mprotect(
                base.byte_add(GUARD),
                STACK,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        };
        Errno::result(result).map(|_| stack)
    }

    /// One past the highest byte, aligned as every ABI wants it.
    fn top(&self) -> *mut c_void {
        // SAFETY: the end of the mapping.
        unsafe { self.base.byte_add(GUARD + STACK) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`; the child that used it has its own memory now or has ended.
        unsafe { libc::munmap(self.base, GUARD + STACK) };
    }
}
