//! Takes over the socket that an engine hands to a pre-installed plugin. The only unsafe code of the program.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{SockType, getsockopt, sockopt};

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The stream socket that this process inherited as descriptor `number`, made close-on-exec.
///
/// # Errors
/// When there is no such descriptor above stderr, when it is no stream socket, and at the second call.
pub fn inherited_socket(number: RawFd) -> io::Result<UnixStream> {
    if number <= io::stderr().as_raw_fd() {
        return Err(io::Error::other("the standard descriptors are no socket"));
    }
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(io::Error::other("taken over already"));
    }
    // SAFETY: borrowed for two questions that fail with EBADF if nothing is open under the number.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    if getsockopt(&borrowed, sockopt::SockType)? != SockType::Stream {
        return Err(io::Error::other("not a stream socket"));
    }
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: it is open, as was just seen. The program calls this first of all and once, before it opens a file, so that the
    // descriptor is the inherited one and has no other owner.
    Ok(UnixStream::from(unsafe { OwnedFd::from_raw_fd(number) }))
}
