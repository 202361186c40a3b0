//! Child processes: made like vfork, waited for by pidfd, killed by process group.

use super::{Fd, Pointers, Ret, Str, call3, call5, exit, signal};
use crate::arch::{self, nr};
use crate::errno::Errno;
use core::ffi::c_void;

const CLONE_VM: usize = 0x100;
const CLONE_PIDFD: usize = 0x1000;
const CLONE_VFORK: usize = 0x4000;
const SIGCHLD: usize = 17;
const SIGKILL: usize = 9;
const WNOHANG: usize = 1;
/// Exit status of a child that could not execute; nobody reads it, the error comes through shared memory.
const NOT_EXECUTED: u8 = 127;

/// A child: what it is to execute with what, and then what became of it.
pub struct Spawn<'a> {
    /// The program.
    pub path: Str<'a>,
    /// Its arguments.
    pub argv: Pointers<'a>,
    /// Its environment.
    pub envp: Pointers<'a>,
    /// Its descriptors 0, 1 and 2. Every other descriptor of the launcher is close-on-exec.
    pub stdio: [Fd; 3],
    /// Its working directory.
    pub cwd: Fd,
    /// Its process id; 0 before it is made.
    pub pid: u32,
    /// Readable when it has ended.
    pub pidfd: Fd,
    /// The system call that failed, in the launcher or in the child, up to its argument, and its error.
    pub failed: Option<(Str<'static>, Errno)>,
}

impl Spawn<'_> {
    /// Makes the child, leader of its own process group. Returns when it has executed the program or failed to.
    #[inline(never)]
    pub fn start(&mut self) {
        let flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD;
        let shared = (&raw mut *self).cast::<c_void>();
        let pidfd = &raw mut self.pidfd;
        // SAFETY: the flags hold what is demanded; `self` outlives the child's use of it because the call returns after
        // the child has executed or exited.
        let pid = Ret(unsafe { arch::clone_vfork(flags, pidfd.cast(), child, shared) });
        if pid.is_err() {
            self.failed = Some((text!("clone("), pid.errno()));
        } else {
            self.pid = pid.number() as u32;
        }
    }

    /// Takes the status of the child as `wait4` gives it, without waiting for its end.
    pub fn reap(&self) -> Option<i32> {
        wait_for(self.pid as usize)
    }

    /// Kills the child and its process group.
    pub fn kill(&self) {
        // The second call is for a child that has left its process group. Both may find nobody; then all is well.
        // SAFETY: takes numbers only. The pid is not reused: the child has not been reaped.
        unsafe {
            let _ = call3(nr::KILL, -(self.pid as isize) as usize, SIGKILL, 0);
            let _ = call3(nr::KILL, self.pid as usize, SIGKILL, 0);
        }
    }
}

/// Runs in the child, in the launcher's memory and on its stack.
///
/// # Safety
/// `shared` points to a [`Spawn`] that outlives the call.
unsafe extern "C" fn child(shared: *mut c_void) -> ! {
    // SAFETY: the caller's promise; the launcher does not touch it meanwhile.
    let spawn = unsafe { &mut *shared.cast::<Spawn>() };
    let mut call = text!("setpgid(");
    // A child made by clone has dispositions of its own.
    signal::restore_sigpipe();
    // SAFETY: takes numbers only.
    let mut result = unsafe { call3(nr::SETPGID, 0, 0, 0) };
    if !result.is_err() {
        call = text!("fchdir(");
        result = super::fchdir(spawn.cwd);
    }
    for (number, fd) in spawn.stdio.into_iter().enumerate() {
        // The launcher's own are above 2, so that none is overwritten before its turn.
        if !result.is_err() {
            call = text!("dup3(");
            result = super::duplicate_to(fd, number);
        }
    }
    if !result.is_err() {
        call = text!("execve(");
        result = super::exec(spawn.path, spawn.argv, spawn.envp);
    }
    spawn.failed = Some((call, result.errno()));
    exit(NOT_EXECUTED)
}

/// Reaps children that were handed to this process because it is the first of its pid namespace.
pub fn reap_strays() {
    while wait_for(usize::MAX).is_some() {}
}

fn wait_for(pid: usize) -> Option<i32> {
    let mut status = 0i32;
    let status_at = &raw mut status as usize;
    // SAFETY: the kernel writes one int.
    let reaped = unsafe { call5(nr::WAIT4, pid, status_at, WNOHANG, 0, 0) };
    (reaped.number() as isize > 0).then_some(status)
}
