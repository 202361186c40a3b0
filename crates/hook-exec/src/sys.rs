//! The system calls that nix does not have, but for those that make a child.

use std::ffi::{CStr, c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::error::CallError;
use crate::spawn::Child;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Exited(c_int),
    Killed(c_int),
}

/// Waits for the end of a child and takes its status.
pub fn reap(pidfd: BorrowedFd<'_>) -> Result<Ended, Errno> {
    // SAFETY: siginfo_t is plain data for which zero is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: `info` is a siginfo_t that the call may write to.
        let result = unsafe {
            libc::waitid(
                libc::P_PIDFD,
                pidfd.as_raw_fd() as libc::id_t,
                &mut info,
                libc::WEXITED,
            )
        };
        match Errno::result(result) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => break,
        }
    }
    // SAFETY: after a successful waitid the fields of a SIGCHLD are filled in.
    let status = unsafe { info.si_status() };
    Ok(if info.si_code == libc::CLD_EXITED {
        Ended::Exited(status)
    } else {
        Ended::Killed(status)
    })
}

/// Sends SIGKILL to a child that is not reaped and to its process group.
pub fn kill_group(child: &Child) {
    // The pid cannot be another's as long as the child is not reaped, and so the group is the one that it made, or none.
    // SAFETY: no pointer is passed.
    unsafe { libc::kill(-child.pid, libc::SIGKILL) };
    // It may have moved to another group.
    let no_info = ptr::null::<c_void>();
    // SAFETY: a null pointer is allowed for the siginfo_t.
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            child.pidfd.as_raw_fd(),
            libc::SIGKILL,
            no_info,
            0,
        )
    };
}

/// Sees to it that children can be waited for: with SIGCHLD ignored the kernel throws their status away.
pub fn wait_for_children() -> Result<(), Errno> {
    // SAFETY: sigaction is plain data for which zero is a value: the default action with no flags.
    let (default, mut current): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
    // SAFETY: `current` may be written to; the action is not changed.
    Errno::result(unsafe { libc::sigaction(libc::SIGCHLD, ptr::null(), &mut current) })?;
    if current.sa_sigaction != libc::SIG_IGN && current.sa_flags & libc::SA_NOCLDWAIT == 0 {
        return Ok(());
    }
    // SAFETY: `default` is a valid action, and no handler is replaced that someone relies on: it would not have been told.
    Errno::result(unsafe { libc::sigaction(libc::SIGCHLD, &default, ptr::null_mut()) }).map(|_| ())
}

/// A new empty memory file that can be sealed, close-on-exec.
pub fn memfd(name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let create = |flags| {
        // SAFETY: `name` is a C string.
        Errno::result(unsafe { libc::memfd_create(name.as_ptr(), flags) })
    };
    // Kernels from 6.3 on may be told to insist on this flag (vm.memfd_noexec), older ones do not know it.
    let fd = create(flags | libc::MFD_NOEXEC_SEAL).or_else(|errno| match errno {
        Errno::EINVAL => create(flags),
        other => Err(other),
    })?;
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// How many bytes can be read from a pipe now.
pub fn bytes_in_pipe(pipe: BorrowedFd<'_>) -> usize {
    let mut count: c_int = 0;
    // SAFETY: FIONREAD writes an int. A failure leaves zero, and nothing is read then.
    unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, ptr::from_mut(&mut count)) };
    usize::try_from(count).unwrap_or(0)
}

/// The same file under a descriptor that is not 0, 1 or 2, which a caller may have closed.
pub fn above_stdio(fd: OwnedFd) -> Result<OwnedFd, CallError> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    let raw = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(3))
        .map_err(CallError::of("fcntl(F_DUPFD_CLOEXEC, 3)"))?;
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}
