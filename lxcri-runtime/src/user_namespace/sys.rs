//! A process that lives in a user namespace, so that the kernel shows the maps of that namespace.

use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// The process. It ends when this is dropped, and with the thread that has started it.
pub struct Member {
    /// Its pid.
    pub pid: i32,
    held: Option<UnixStream>,
}

impl Member {
    /// Starts it in `namespace`.
    ///
    /// # Errors
    /// What setns(2) says, or fork(2).
    pub fn of(namespace: BorrowedFd) -> io::Result<Member> {
        let (ours, theirs) = UnixStream::pair()?;
        // SAFETY: the child makes nothing but system calls before it exits.
        let pid = unsafe { libc::fork() };
        if pid < 0 {
            return Err(io::Error::last_os_error());
        }
        if pid == 0 {
            // SAFETY: this is the child; nobody drops what it holds, because it never returns.
            unsafe { live(namespace, &ours, &theirs) }
        }
        drop(theirs);
        let member = Member {
            pid,
            held: Some(ours),
        };
        let mut errno = [0; 4];
        let mut held: &UnixStream = member.held.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        held.read_exact(&mut errno)?;
        match i32::from_ne_bytes(errno) {
            0 => Ok(member),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Its end of the socket becomes readable.
        self.held = None;
        // SAFETY: waits for a child of this process that nobody else waits for.
        unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) };
    }
}

/// Joins the namespace, says how that went, and waits for the other end to be closed.
///
/// # Safety
/// Only in a new process: async-signal-safe, and it never returns.
unsafe fn live(namespace: BorrowedFd, parents: &UnixStream, own: &UnixStream) -> ! {
    // SAFETY: plain system calls on open descriptors and on this stack.
    unsafe {
        libc::close(parents.as_raw_fd());
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let joined = libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWUSER);
        let errno = if joined < 0 {
            *libc::__errno_location()
        } else {
            0
        };
        libc::write(own.as_raw_fd(), (&raw const errno).cast(), size_of::<i32>());
        let mut byte = 0_u8;
        libc::read(own.as_raw_fd(), (&raw mut byte).cast(), 1);
        libc::_exit(0)
    }
}
