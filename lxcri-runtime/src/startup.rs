//! What this process inherited and must not pass on by accident.

use std::fs::File;
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use crate::sys;

/// Numbers of the descriptors that were open above stdio when the program began, until they are claimed.
static INHERITED: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// Makes sure that stdio is open, that nothing above it is inherited by a child, that signals act as usual, and that the
/// umask is 0022.
///
/// Call it first in the program, before it opens anything.
pub fn prepare() -> Result<()> {
    sys::one_arena();
    if std::env::args_os().any(|a| a.to_string_lossy().starts_with("--preserve-fds")) {
        let mut open = Vec::new();
        for entry in std::fs::read_dir("/proc/self/fd").context("read /proc/self/fd")? {
            let name = entry.context("read /proc/self/fd")?.file_name();
            open.extend(
                name.to_string_lossy()
                    .parse::<RawFd>()
                    .ok()
                    .filter(|&fd| fd > 2),
            );
        }
        // The one that listed the directory is closed by now.
        open.retain(|&fd| sys::is_open(fd));
        *INHERITED.lock().unwrap_or_else(|e| e.into_inner()) = open;
    }
    // With stdin closed, the first file that is opened would become the container's stdin.
    loop {
        let null = File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .context("open /dev/null")?;
        let fd: RawFd = null.into_raw_fd();
        if fd > 2 {
            drop(sys::received(fd));
            break;
        }
    }
    sys::close_on_exec_from(3).context("close_range(3, CLOSE_RANGE_CLOEXEC)")?;
    sys::reset_signals();
    // As with runc, neither hooks nor a process without `user.umask` depend on who called.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    Ok(())
}

/// Takes the descriptors for `--preserve-fds`: `count` of them from 3 on. Can be done once.
pub fn claim(count: u32) -> Result<Vec<OwnedFd>> {
    let mut open = INHERITED.lock().unwrap_or_else(|e| e.into_inner());
    let mut claimed = Vec::new();
    for fd in (3..).take(count as usize) {
        match open.iter().position(|&o| o == fd) {
            Some(at) => claimed.push(sys::received(open.swap_remove(at))),
            None => bail!("--preserve-fds {count}: descriptor {fd} is not open"),
        }
    }
    Ok(claimed)
}
