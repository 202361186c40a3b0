//! The container's terminal: its master goes to the engine or is served by `run`, its slave becomes init's stdio.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::sys;

/// How long the engine may take to accept the terminal.
const PATIENCE: Duration = Duration::from_secs(10);

/// A pseudo terminal of the container's devpts.
pub struct Terminal {
    /// For whoever talks to the container.
    pub master: OwnedFd,
    /// For the container.
    pub slave: OwnedFd,
}

impl Terminal {
    /// Prepares both ends. `size`: rows, columns. `owner`: the process's user on the host.
    pub fn new(
        master: OwnedFd,
        slave: OwnedFd,
        size: Option<(u16, u16)>,
        owner: Option<u32>,
    ) -> Result<Terminal> {
        if let Some((rows, columns)) = size {
            sys::set_window_size(master.as_fd(), rows, columns)
                .context("ioctl(ptmx, TIOCSWINSZ)")?;
        }
        // The process may be another user than the one who opened the terminal, and must be able to open it by name.
        if let Some(owner) = owner {
            nix::unistd::fchown(&slave, Some(owner.into()), None).context("fchown(console)")?;
        }
        Ok(Terminal { master, slave })
    }
}

/// Sends the master to the engine, as every OCI runtime does: one message with the name and the descriptor.
pub fn send_master(path: &Path, master: &OwnedFd) -> Result<()> {
    let stream = connect(path)
        .map_err(|e| match e {
            Errno::EAGAIN => anyhow!("nobody has accepted a connection for {PATIENCE:?}"),
            other => anyhow!(other),
        })
        .with_context(|| format!("connect to console socket {}", path.display()))?;
    let name = [IoSlice::new(b"/dev/ptmx")];
    let fds = [master.as_raw_fd()];
    sendmsg::<()>(
        stream.as_raw_fd(),
        &name,
        &[ControlMessage::ScmRights(&fds)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )
    .with_context(|| format!("send the terminal to console socket {}", path.display()))?;
    Ok(())
}

/// Connects to a socket, or fails with EAGAIN when nobody has accepted it for long: connect(2) waits while the queue is full.
fn connect(path: &Path) -> nix::Result<OwnedFd> {
    let stream = socket::socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let time = TimeVal::seconds(PATIENCE.as_secs() as i64);
    socket::setsockopt(&stream, socket::sockopt::SendTimeout, &time)?;
    socket::connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(stream)
}

/// Gives the process's user the pipes and files that are its stdio, so that it can open /dev/stdout again.
///
/// Not terminals, which are someone's own, and not /dev/null, which is everybody's. What cannot be given (a read-only
/// file system, an owner that is not mapped) stays as it is.
pub fn give_stdio(owner: u32) {
    use nix::sys::stat::{SFlag, fstat, major, minor};
    let stdio: [&dyn AsFd; 3] = [&std::io::stdin(), &std::io::stdout(), &std::io::stderr()];
    for fd in stdio {
        let Ok(stat) = fstat(fd.as_fd()) else {
            continue;
        };
        let is_character =
            SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR;
        if stat.st_uid == owner
            || (is_character && (major(stat.st_rdev) != 0 || minor(stat.st_rdev) != 0))
        {
            continue;
        }
        let _ = nix::unistd::fchown(fd.as_fd(), Some(owner.into()), None);
    }
}
