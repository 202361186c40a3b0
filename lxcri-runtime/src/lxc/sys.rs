//! Starts a program inside a container's cgroup, with the cgroup file systems hidden from it.

use std::ffi::{CStr, CString, c_char};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Where cgroup file systems are mounted on every distribution that LXC supports.
const CGROUP_ROOT: &CStr = c"/sys/fs/cgroup";

/// What is executed, and what it is born with.
pub struct Spawn<'a> {
    /// The program, an absolute path.
    pub program: &'a CStr,
    /// Its arguments from argv[0] on.
    pub arguments: &'a [CString],
    /// Its environment.
    pub environment: &'a [CString],
    /// The v2 cgroup in which it is born.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Files of the v1 cgroups that it enters, open for writing: `tasks`, not `cgroup.procs`.
    ///
    /// A thread that moves itself alone need not wait until no process of the machine forks or executes, which takes the
    /// kernel several milliseconds (`cgroup_procs_write_start` since Linux 5.17).
    pub tasks: &'a [OwnedFd],
    /// A cgroup namespace to join.
    pub cgroup_namespace: Option<BorrowedFd<'a>>,
    /// An empty directory that covers the cgroup file systems, in a mount namespace of its own.
    pub cover: &'a CStr,
    /// What becomes stdin, stdout and stderr.
    pub null: BorrowedFd<'a>,
}

/// A child that was started.
pub struct Spawned {
    /// Its pid.
    pub pid: i32,
    /// A pidfd of it.
    pub pidfd: OwnedFd,
}

/// Steps of the child, for the error.
const STEPS: [&str; 8] = [
    "prctl(PR_SET_PDEATHSIG, SIGKILL)",
    "write(tasks, 0)",
    "setns(CLONE_NEWCGROUP)",
    "unshare(CLONE_NEWNS)",
    "mount(/sys/fs/cgroup, MS_PRIVATE)",
    "mount(/sys/fs/cgroup, MS_BIND)",
    "dup2(/dev/null)",
    "execve",
];

/// Starts the program. It dies together with the calling thread.
///
/// # Errors
/// The step that failed, and why.
pub fn spawn(spawn: &Spawn) -> Result<Spawned, (String, io::Error)> {
    let arguments = pointers(spawn.arguments);
    let environment = pointers(spawn.environment);
    let (mut report, told) = pipe().map_err(|e| ("pipe2(O_CLOEXEC)".to_owned(), e))?;
    let mut pidfd: RawFd = -1;
    // clone3(2): fork, with the cgroup of the child.
    let mut args = libc::clone_args {
        flags: libc::CLONE_PIDFD as u64,
        pidfd: &raw mut pidfd as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    if let Some(cgroup) = spawn.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: like fork: the child runs on a copy of this stack and makes only raw system calls on what was prepared above,
    // until it executes the program or exits; the structure has the size that is passed.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut args,
            size_of::<libc::clone_args>(),
        )
    };
    match pid {
        0 => {
            // SAFETY: this is the child; all pointers are NUL-ended strings and NULL-ended vectors in its memory.
            unsafe { child(spawn, &arguments, &environment, told.as_raw_fd()) }
        }
        1.. => {}
        _ => return Err(("clone3".to_owned(), io::Error::last_os_error())),
    }
    drop(told);
    // SAFETY: the kernel has stored a new descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let spawned = Spawned {
        pid: pid as i32,
        pidfd,
    };
    let mut message = [0; 8];
    // The pipe ends when the program is executed.
    match report.read_exact(&mut message) {
        Err(_) => Ok(spawned),
        Ok(()) => {
            let [a, b, c, d, step, ..] = message;
            let error = io::Error::from_raw_os_error(i32::from_ne_bytes([a, b, c, d]));
            let step = STEPS.get(usize::from(step)).copied().unwrap_or("start");
            // SAFETY: waits for the child that has just said that it ends.
            unsafe { libc::waitpid(spawned.pid, std::ptr::null_mut(), 0) };
            Err((step.to_owned(), error))
        }
    }
}

/// Not in every libc crate's headers: linux/sched.h.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

fn pipe() -> io::Result<(std::fs::File, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    Ok((read.into(), write))
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|s| s.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// The child: async-signal-safe from here on.
///
/// # Safety
/// Only in a new process. `arguments` and `environment` end with NULL.
unsafe fn child(
    spawn: &Spawn,
    arguments: &[*const c_char],
    environment: &[*const c_char],
    told: RawFd,
) -> ! {
    let null = std::ptr::null::<c_char>();
    let step = |number: u8, result: libc::c_int| {
        if result < 0 {
            // SAFETY: errno is this thread's; eight bytes of this stack are written; _exit does not return.
            unsafe {
                let [a, b, c, d] = (*libc::__errno_location()).to_ne_bytes();
                let message = [a, b, c, d, number, 0, 0, 0];
                libc::write(told, message.as_ptr().cast(), message.len());
                libc::_exit(127);
            }
        }
    };
    // SAFETY: the strings are NUL-ended and live; null is allowed where the kernel ignores the argument.
    unsafe {
        step(0, libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL));
        for file in spawn.tasks {
            step(
                1,
                libc::write(file.as_raw_fd(), c"0".as_ptr().cast(), 1) as libc::c_int,
            );
        }
        if let Some(namespace) = spawn.cgroup_namespace {
            step(2, libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWCGROUP));
        }
        step(3, libc::unshare(libc::CLONE_NEWNS));
        // Only this one mount becomes private, so that what is mounted over it stays in this namespace, while the others
        // keep their propagation: shared mounts of a container stay peers of the host's.
        let private = libc::mount(
            null,
            CGROUP_ROOT.as_ptr(),
            null,
            libc::MS_PRIVATE,
            std::ptr::null(),
        );
        // Not a mount point, or no such directory: there are no cgroups to hide.
        if private == 0 || !matches!(*libc::__errno_location(), libc::EINVAL | libc::ENOENT) {
            step(4, private);
            step(
                5,
                libc::mount(
                    spawn.cover.as_ptr(),
                    CGROUP_ROOT.as_ptr(),
                    null,
                    libc::MS_BIND,
                    std::ptr::null(),
                ),
            );
        }
        for number in 0..3 {
            step(6, libc::dup2(spawn.null.as_raw_fd(), number));
        }
        step(
            7,
            libc::execve(
                spawn.program.as_ptr(),
                arguments.as_ptr(),
                environment.as_ptr(),
            ),
        );
        libc::_exit(127)
    }
}
