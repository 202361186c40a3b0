//! Child processes: made like vfork, waited for by pidfd, killed by process group.

use super::{Fd, Pointers, Result, call, exit};
use crate::arch::{self, nr};
use crate::errno::Errno;
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_void};

const CLONE_VM: usize = 0x100;
const CLONE_PIDFD: usize = 0x1000;
const CLONE_VFORK: usize = 0x4000;
const SIGCHLD: usize = 17;
const SIGKILL: usize = 9;
const WNOHANG: usize = 1;
/// Exit status of a child that could not execute; nobody reads it, the error comes through shared memory.
const NOT_EXECUTED: u8 = 127;

/// The child's stack between `clone` and `execve`. Pages that are never touched cost nothing.
#[repr(align(16))]
struct Stack(UnsafeCell<[u8; STACK_SIZE]>);
const STACK_SIZE: usize = 64 << 10;

// SAFETY: the launcher has one thread, and `CLONE_VFORK` suspends it while the one child uses the stack.
unsafe impl Sync for Stack {}

static STACK: Stack = Stack(UnsafeCell::new([0; STACK_SIZE]));

/// What a child is to execute and with what.
pub struct Spawn<'a> {
    /// The program.
    pub path: &'a CStr,
    /// Its arguments.
    pub argv: Pointers<'a>,
    /// Its environment.
    pub envp: Pointers<'a>,
    /// Its descriptors 0, 1 and 2. Every other descriptor of the launcher is close-on-exec.
    pub stdio: [Fd; 3],
    /// Its working directory.
    pub cwd: Fd,
}

/// Why there is no running child.
pub struct SpawnError {
    /// The system call that failed.
    pub call: &'static [u8],
    /// Its error.
    pub errno: Errno,
    /// Whether it is about the program, so that its path belongs to the message.
    pub of_program: bool,
    /// The process that could not execute, already reaped; 0 when there was none.
    pub pid: u32,
}

/// A running child, leader of its own process group.
pub struct Child {
    /// Its process id.
    pub pid: u32,
    /// Readable when it has ended.
    pub pidfd: Fd,
}

/// How a process ended.
pub enum End {
    /// With this status.
    Exited(u8),
    /// By this signal.
    Killed(u8),
}

struct Shared<'a> {
    spawn: &'a Spawn<'a>,
    failed: Option<(&'static [u8], Errno)>,
}

impl Spawn<'_> {
    /// Makes the child. Returns when it has executed the program or failed to.
    ///
    /// # Errors
    /// The call that failed, in the launcher or in the child.
    pub fn start(&self) -> core::result::Result<Child, SpawnError> {
        let mut shared = Shared {
            spawn: self,
            failed: None,
        };
        let mut pidfd = -1i32;
        let flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD;
        let top = STACK.0.get().cast::<u8>().wrapping_add(STACK_SIZE);
        // SAFETY: `top` is the aligned end of a stack that only this child uses, and the flags hold what is demanded;
        // `shared` outlives the child's use of it because the call returns after the child has executed or exited.
        let returned = unsafe {
            arch::clone_vfork(
                flags,
                top,
                &raw mut pidfd,
                child,
                (&raw mut shared).cast::<c_void>(),
            )
        };
        let pid = super::check(returned).map_err(|errno| SpawnError {
            call: b"clone",
            errno,
            of_program: false,
            pid: 0,
        })? as u32;
        let child = Child {
            pid,
            pidfd: Fd::from_returned(pidfd as usize),
        };
        // SAFETY: the child wrote it before it exited; volatile, because the compiler does not see that writer.
        match unsafe { (&raw const shared.failed).read_volatile() } {
            None => Ok(child),
            Some((call, errno)) => {
                // It has exited: the kernel lets the parent of a vfork go on when the child is gone or has executed.
                let _ = child.reap();
                Err(SpawnError {
                    call,
                    errno,
                    of_program: call == b"execve",
                    pid,
                })
            }
        }
    }
}

/// Runs in the child, in the launcher's memory and on [`STACK`].
///
/// # Safety
/// `shared` points to a [`Shared`] that outlives the call.
unsafe extern "C" fn child(shared: *mut c_void) -> ! {
    let shared = shared.cast::<Shared>();
    // SAFETY: the caller's promise; the launcher does not touch it meanwhile.
    let spawn = unsafe { (*shared).spawn };
    let failed = become_hook(spawn);
    // SAFETY: as above.
    unsafe { (&raw mut (*shared).failed).write_volatile(Some(failed)) };
    exit(NOT_EXECUTED)
}

/// Returns the call that failed.
fn become_hook(spawn: &Spawn) -> (&'static [u8], Errno) {
    // SAFETY: takes numbers only.
    if let Err(error) = unsafe { call(nr::SETPGID, [0, 0]) } {
        return (b"setpgid", error);
    }
    if let Err(error) = super::fchdir(spawn.cwd) {
        return (b"fchdir", error);
    }
    for (number, fd) in spawn.stdio.into_iter().enumerate() {
        // The launcher's own are above 2, so that none is overwritten before its turn.
        if let Err(error) = super::duplicate_to(fd, number, false) {
            return (b"dup3", error);
        }
    }
    (b"execve", super::exec(spawn.path, spawn.argv, spawn.envp))
}

impl Child {
    /// Takes the status of the child, without waiting for its end.
    ///
    /// # Errors
    /// EAGAIN when it still runs, or what `wait4` returns.
    pub fn reap(&self) -> Result<End> {
        wait_for(self.pid as usize)
    }

    /// Kills the child and its process group.
    pub fn kill(&self) {
        for target in [-(self.pid as isize), self.pid as isize] {
            // The second call is for a child that has left its process group. Both may find nobody; then all is well.
            // SAFETY: takes numbers only. The pid is not reused: the child has not been reaped.
            let _ = unsafe { call(nr::KILL, [target as usize, SIGKILL]) };
        }
    }
}

/// Reaps children that were handed to this process because it is the first of its pid namespace.
pub fn reap_strays() {
    while wait_for(usize::MAX).is_ok() {}
}

fn wait_for(pid: usize) -> Result<End> {
    let mut status = 0i32;
    // SAFETY: the kernel writes one int.
    match unsafe { call(nr::WAIT4, [pid, &raw mut status as usize, WNOHANG, 0]) }? {
        0 => Err(Errno::EAGAIN),
        _ => match (status & 0x7f) as u8 {
            0 => Ok(End::Exited((status >> 8) as u8)),
            signal => Ok(End::Killed(signal)),
        },
    }
}
