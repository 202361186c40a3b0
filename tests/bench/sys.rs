//! Spawns like vfork, waits under a deadline, and takes the time of both.

use std::ffi::{CString, c_char, c_int, c_void};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whether SIGINT, SIGTERM or SIGHUP has arrived.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(signal: c_int) {
    if signal != libc::SIGALRM {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
}

/// Whether somebody wants the benchmark to end.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Makes signals interrupt a wait instead of ending the process, which has to clean up.
pub fn handle_signals() -> io::Result<()> {
    for signal in [libc::SIGALRM, libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: all-zero is a valid sigaction: no flags (so that waits are interrupted), an empty mask; the handler only
        // stores to an atomic.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = note as extern "C" fn(c_int) as usize;
            check(libc::sigaction(signal, &action, ptr::null_mut()))?;
        }
    }
    Ok(())
}

/// A program and its arguments, ready for execve, so that nothing is prepared while the clock runs.
pub struct Command {
    argv: Vec<CString>,
    envp: Vec<CString>,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.argv.iter().map(|s| s.to_string_lossy()).collect();
        f.write_str(&words.join(" "))
    }
}

struct Child {
    path: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
    null: RawFd,
}

extern "C" fn child(child: *mut c_void) -> c_int {
    // SAFETY: `Command::time` passes a pointer to a Child and is suspended until execve.
    let child = unsafe { &*child.cast::<Child>() };
    // SAFETY: plain numbers; a C string and two null-ended arrays of such, which live in the suspended parent.
    unsafe {
        for fd in 0..3 {
            libc::dup2(child.null, fd);
        }
        libc::execve(child.path, child.argv, child.envp);
    }
    127
}

impl Command {
    /// A command with a small environment. The program is the first of `argv`.
    pub fn new(argv: &[String]) -> io::Result<Self> {
        Command::with(argv, &[])
    }

    /// The same with `variables` in the environment.
    pub fn with(argv: &[String], variables: &[&str]) -> io::Result<Self> {
        let strings = |list: &[&str]| {
            list.iter()
                .map(|s| Ok(CString::new(*s)?))
                .collect::<io::Result<Vec<_>>>()
        };
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        Ok(Command {
            argv: strings(&argv.iter().map(String::as_str).collect::<Vec<_>>())?,
            envp: strings(&[&[path, "HOME=/root"], variables].concat())?,
        })
    }

    /// Runs the command with /dev/null as stdio. The result is the time from before the spawn to the end of the wait, and the
    /// exit status (128+n after signal n).
    ///
    /// # Errors
    /// When it cannot be spawned, is not done within `deadline` (it is killed then), or the benchmark is interrupted.
    pub fn time(&self, null: &impl AsRawFd, deadline: Duration) -> io::Result<(Duration, i32)> {
        if interrupted() {
            return Err(io::Error::other("interrupted"));
        }
        let pointers = |list: &[CString]| {
            list.iter()
                .map(|s| s.as_ptr())
                .chain([ptr::null()])
                .collect::<Vec<_>>()
        };
        let (argv, envp) = (pointers(&self.argv), pointers(&self.envp));
        let mut context = Child {
            path: argv[0],
            argv: argv.as_ptr(),
            envp: envp.as_ptr(),
            null: null.as_raw_fd(),
        };
        let mut stack = [0u128; 1024];
        // Again every second: a signal between clone and wait would otherwise be the last one.
        set_timer(deadline, Duration::from_secs(1))?;
        let start = Instant::now();
        // SAFETY: the child runs on its own stack, given by its upper end, and this thread is suspended until it has left it.
        let pid = unsafe {
            libc::clone(
                child,
                stack.as_mut_ptr_range().end.cast(),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
                ptr::from_mut(&mut context).cast(),
            )
        };
        check(pid)?;
        let status = wait(pid, start, deadline);
        let took = start.elapsed();
        set_timer(Duration::ZERO, Duration::ZERO)?;
        Ok((took, status?))
    }
}

fn wait(pid: i32, start: Instant, deadline: Duration) -> io::Result<i32> {
    let mut problem = None;
    let mut status = 0;
    loop {
        // SAFETY: `status` may be written to.
        if unsafe { libc::waitpid(pid, &mut status, 0) } == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        if interrupted() {
            problem = Some("interrupted".to_string());
        } else if start.elapsed() >= deadline {
            problem = Some(format!("still running after {} s", deadline.as_secs()));
        }
        if problem.is_some() {
            // SAFETY: plain numbers; the child has not been waited for, so its pid is still its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
    match problem {
        Some(text) => Err(io::Error::other(text)),
        None if libc::WIFEXITED(status) => Ok(libc::WEXITSTATUS(status)),
        None => Ok(128 + libc::WTERMSIG(status)),
    }
}

fn set_timer(first: Duration, again: Duration) -> io::Result<()> {
    let time = |d: Duration| libc::timeval {
        tv_sec: d.as_secs().cast_signed(),
        tv_usec: 0,
    };
    let timer = libc::itimerval {
        it_value: time(first),
        it_interval: time(again),
    };
    // SAFETY: a structure that the call only reads.
    check(unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, ptr::null_mut()) })
}

fn check(status: c_int) -> io::Result<()> {
    if status == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
