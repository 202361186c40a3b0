//! Takes ownership of descriptors that nix hands out as numbers.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Owns `fd`, which a system call has just returned as new.
pub fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: every caller passes what accept4 or recvmsg has just made, so nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
