//! The one place of the tests that takes over raw descriptors.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Takes over a descriptor that the kernel has just returned.
pub fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: callers pass what accept or recvmsg returned, which nobody else owns.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
