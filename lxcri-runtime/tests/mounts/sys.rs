//! System calls that nix leaves half done: who owns descriptors, and what is interrupted.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Owns `fd`, which a system call has just returned as new.
pub fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: every caller passes what accept4 or recvmsg has just made, so nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Repeats a call that was interrupted: with a time limit on a socket the kernel does not restart it (signal(7)).
pub fn uninterrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(nix::errno::Errno::EINTR) => {}
            result => return result,
        }
    }
}
