//! The state on a hook's stdin.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use crate::error::CallError;
use crate::sys;

/// A descriptor from which the hook reads the state.
///
/// It is a sealed memfd, not a pipe. Nobody has to feed it, so a hook that never reads costs nothing, a state larger than
/// a pipe blocks nobody, and a hook that closes its stdin early raises no SIGPIPE in the caller. Reading ends at the end
/// of the file, as `cat` expects. The seals keep a hook from changing it through the writable descriptor that
/// memfd_create returns. Each hook gets its own, since processes that share one share the read position as well.
pub fn state_file(state: &[u8]) -> Result<OwnedFd, CallError> {
    let file = sys::above_stdio(
        sys::memfd(c"oci-state").map_err(CallError::of("memfd_create(oci-state)"))?,
    )?;
    let mut rest = state;
    while !rest.is_empty() {
        match nix::unistd::write(&file, rest) {
            Ok(0) => return Err(CallError::of("write(oci-state)")(Errno::EIO)),
            Ok(written) => rest = &rest[written..],
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(CallError::of("write(oci-state)")(errno)),
        }
    }
    nix::unistd::lseek(&file, 0, nix::unistd::Whence::SeekSet)
        .map_err(CallError::of("lseek(oci-state, 0)"))?;
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))
        .map_err(CallError::of("fcntl(oci-state, F_ADD_SEALS)"))?;
    Ok(file)
}
