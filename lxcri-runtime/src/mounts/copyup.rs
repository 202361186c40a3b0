//! Copies what a tmpfs with `tmpcopyup` covers into it.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, SFlag};

use super::error::{CallError, Error};
use super::kernel;

/// Deeper than any image is, and small enough for the stack.
const MAX_DEPTH: usize = 256;

/// Copies the content of the directory `from` into the directory `to`, both O_PATH; sockets are left out.
pub(super) fn copy(from: &OwnedFd, to: &OwnedFd) -> Result<(), Error> {
    copy_directory(from, to, 0)
}

fn copy_directory(from: &OwnedFd, to: &OwnedFd, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::Unusable(format!(
            "directories are nested more than {MAX_DEPTH} deep"
        )));
    }
    let readable = kernel::open_at(from, OsStr::new("."), OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    let mut dir = Dir::from_fd(readable).map_err(|errno| CallError::new("fdopendir()", errno))?;
    for entry in dir.iter() {
        let entry = entry.map_err(|errno| CallError::new("getdents64()", errno))?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            copy_entry(from, to, name, depth)?;
        }
    }
    Ok(())
}

fn copy_entry(from: &OwnedFd, to: &OwnedFd, name: &OsStr, depth: usize) -> Result<(), Error> {
    let source = kernel::open_at(from, name, OFlag::O_PATH)?;
    let stat = kernel::stat(&source, name.display())?;
    let mode = Mode::from_bits_truncate(stat.st_mode);
    match kernel::kind(&stat) {
        SFlag::S_IFDIR => {
            kernel::make_directory(to, name, mode)?;
            let inside = kernel::open_at(to, name, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
            copy_directory(&source, &inside, depth + 1)?;
        }
        SFlag::S_IFREG => copy_file(from, to, name, mode)?,
        SFlag::S_IFLNK => {
            kernel::make_symlink(&kernel::read_link(&source, name.display())?, to, name)?
        }
        kind @ (SFlag::S_IFCHR | SFlag::S_IFBLK | SFlag::S_IFIFO) => {
            nix::sys::stat::mknodat(to, name, kind, mode, stat.st_rdev)
                .map_err(|errno| CallError::new(format!("mknodat({})", name.display()), errno))?;
        }
        _ => return Ok(()),
    }
    keep_owner(to, name, &stat, mode)
}

fn copy_file(from: &OwnedFd, to: &OwnedFd, name: &OsStr, mode: Mode) -> Result<(), Error> {
    // Someone who shares the directory may have put a FIFO there meanwhile.
    let source = kernel::open_at(from, name, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?;
    if kernel::kind(&kernel::stat(&source, name.display())?) != SFlag::S_IFREG {
        return Err(Error::Unusable(format!(
            "{} changed while it was copied",
            name.display()
        )));
    }
    let target = kernel::make_file(to, name, mode)?;
    io::copy(&mut File::from(source), &mut File::from(target)).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
        CallError::new(format!("copy({})", name.display()), errno)
    })?;
    Ok(())
}

/// A change of owner takes set-user-ID bits away, so the mode comes after it.
fn keep_owner(to: &OwnedFd, name: &OsStr, stat: &FileStat, mode: Mode) -> Result<(), Error> {
    kernel::change_owner(to, name, stat.st_uid, stat.st_gid)?;
    if matches!(kernel::kind(stat), SFlag::S_IFREG | SFlag::S_IFDIR) {
        // Nobody else sees the new file system yet, so what was just made there is still the same.
        let fd = kernel::open_at(to.as_fd(), name, OFlag::O_RDONLY)?;
        nix::sys::stat::fchmod(&fd, mode)
            .map_err(|errno| CallError::new(format!("fchmod({})", name.display()), errno))?;
    }
    Ok(())
}
