//! What a child does between fork and exec.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Preparations of a child. Beyond what is named here it starts clean: no signal blocked or ignored, only stdio open.
#[derive(Default, Clone)]
pub struct Prepare {
    /// A mount namespace to enter, and the directory to go to afterwards (entering moves the process to the root).
    pub mount_namespace: Option<(RawFd, CString)>,
    /// Signals to block.
    pub blocked: Vec<i32>,
    /// Signals to ignore.
    pub ignored: Vec<i32>,
    /// Descriptors to duplicate without close-on-exec: from, to.
    pub descriptors: Vec<(RawFd, RawFd)>,
}

/// Makes the children of `command` carry out `prepare`.
pub fn prepare(command: &mut Command, prepare: Prepare) {
    let action = move || -> io::Result<()> {
        if let Some((fd, directory)) = &prepare.mount_namespace {
            // SAFETY: a descriptor that the parent keeps open, and a string that ends with NUL.
            unsafe {
                check(libc::setns(*fd, libc::CLONE_NEWNS))?;
                check(libc::chdir(directory.as_ptr()))?;
            }
        }
        // SAFETY: plain numbers. Marked and not closed: std reports a failing exec through a descriptor of its own.
        unsafe {
            check(libc::close_range(
                3,
                libc::c_uint::MAX,
                libc::CLOSE_RANGE_CLOEXEC as libc::c_int,
            ))?
        };
        for &(from, to) in &prepare.descriptors {
            // SAFETY: plain numbers. The tests choose numbers that std does not use in the child.
            unsafe { check(libc::dup2(from, to))? };
        }
        // SAFETY: the set is initialised by sigemptyset before it is used.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            for &signal in &prepare.blocked {
                check(libc::sigaddset(&mut set, signal))?;
            }
            check(libc::sigprocmask(
                libc::SIG_SETMASK,
                &set,
                std::ptr::null_mut(),
            ))?;
            for signal in 1..=64 {
                // By number: the C library hides two signals, and whoever started the tests may ignore them. SIGKILL and
                // SIGSTOP cannot be set. The kernel's structure begins with the handler, and 0 is the default.
                let action = [prepare.ignored.contains(&signal) as usize, 0, 0, 0];
                libc::syscall(
                    libc::SYS_rt_sigaction,
                    signal,
                    action.as_ptr(),
                    std::ptr::null_mut::<usize>(),
                    8_usize,
                );
            }
        }
        Ok(())
    };
    // SAFETY: the closure only makes async-signal-safe calls and does not allocate.
    unsafe { command.pre_exec(action) };
}

/// A duplicate with a number that is out of the way of those that tests hand over.
pub fn high_copy(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the new descriptor belongs to nobody else.
    unsafe {
        let copy = libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 300);
        check(copy)?;
        Ok(OwnedFd::from_raw_fd(copy))
    }
}

/// A descriptor for a process.
pub fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the new descriptor belongs to nobody else.
    unsafe {
        let number = libc::syscall(libc::SYS_pidfd_open, pid, 0) as i32;
        check(number)?;
        Ok(OwnedFd::from_raw_fd(number))
    }
}

/// The owner of a descriptor that a message has just brought.
pub fn own(number: RawFd) -> File {
    // SAFETY: the kernel made this descriptor for the message, and nobody else knows it.
    unsafe { File::from_raw_fd(number) }
}

/// Columns and rows of a terminal, 0 where it is none.
pub fn terminal_size(terminal: &File) -> (u16, u16) {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the call fills this structure.
    unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &mut size) };
    (size.ws_col, size.ws_row)
}

fn check(status: i32) -> io::Result<()> {
    if status == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Gives the calling thread a new session keyring of this name, which only its possessors can see.
///
/// # Errors
/// When the kernel has no keyrings.
pub fn join_keyring(name: &str) -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    const KEYCTL_SETPERM: libc::c_long = 5;
    /// Everything for the possessor, nothing for user, group and others (keyctl_setperm(3)).
    const POSSESSOR: libc::c_long = 0x3f00_0000;
    let name = CString::new(name)?;
    // SAFETY: a string that ends with NUL, and numbers.
    unsafe {
        let key = libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr());
        if key < 0 || libc::syscall(libc::SYS_keyctl, KEYCTL_SETPERM, key, POSSESSOR) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
