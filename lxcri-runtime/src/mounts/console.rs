//! A container's terminal: a pty of its own devpts, and /dev/console.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::statfs::DEVPTS_SUPER_MAGIC;

use super::error::Error;
use super::kernel;
use super::nodes;
use super::resolve::Root;
use super::sys;

const CONSOLE: &str = "/dev/console";

/// Both ends of a pseudo-terminal.
#[derive(Debug)]
pub struct Pty {
    /// For the one behind the console socket.
    pub master: OwnedFd,
    /// For the container's process.
    pub slave: OwnedFd,
}

/// Opens a pty of the devpts at /dev/pts.
///
/// Nothing of it is found by a path that the image could prepare: the directory is checked to be a devpts, in which only
/// the kernel makes entries, and the other end comes from the first (CVE-2025-52565).
pub(super) fn open_pty(root: &Root) -> Result<Pty, Error> {
    let path = Path::new("/dev/pts");
    let dir = kernel::open_in_root(
        root,
        path,
        OFlag::O_PATH | OFlag::O_DIRECTORY,
        ResolveFlag::RESOLVE_NO_SYMLINKS,
    )?;
    if kernel::fs_type(&dir, path.display())? != DEVPTS_SUPER_MAGIC {
        return Err(Error::Unusable(
            "a terminal needs a mount of type devpts at /dev/pts".to_owned(),
        ));
    }
    let master = kernel::open_at(&dir, OsStr::new("ptmx"), OFlag::O_RDWR | OFlag::O_NOCTTY)?;
    let slave = sys::open_peer(master.as_fd())?;
    Ok(Pty { master, slave })
}

/// Mounts the terminal `slave` over /dev/console. It must have been opened in this mount namespace.
pub(super) fn attach(root: &Root, slave: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    let (dir, name) = root.make_parent(Path::new(CONSOLE))?;
    let tree = sys::clone_fd(slave, false, "pty")?;
    nodes::cover(&dir, name, Path::new(CONSOLE), tree)
}
