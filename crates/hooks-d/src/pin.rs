//! Pins: a hook whose executable must have a certain content.
//!
//! The executable is opened once, hashed through that descriptor, and can be executed through it, so that what was
//! checked is what runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use sha2::{Digest, Sha256 as Hasher};

use crate::below::open_below;
use crate::definition::Sha256;
use crate::select::Selected;
use crate::text::failed_io;

/// Why a pinned hook must not run. The executable is not to be executed.
#[derive(Debug, thiserror::Error)]
#[error("pinned hook {path:?} of {file:?}: {reason}")]
pub struct PinError {
    /// The executable.
    pub path: PathBuf,
    /// The file with the pin.
    pub file: PathBuf,
    /// What is wrong.
    pub reason: Mismatch,
}

/// What is wrong with a pinned executable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// It is a directory or the like.
    #[error("is not a regular file")]
    NotRegular,
    /// It is not what was pinned.
    #[error("its content has changed: sha256 is {found}, not {pinned}")]
    Changed {
        /// Its digest now.
        found: Sha256,
        /// That of the pin.
        pinned: Sha256,
    },
}

/// Compares the executable of a hook with its pin, if there is one; see [`open`].
///
/// # Errors
/// When the file cannot be read, is not a regular one, or has another content.
pub fn verify(selected: &Selected) -> Result<Option<OwnedFd>, PinError> {
    verify_with(selected, by_path)
}

/// [`verify`] for a program in a container: the executable is looked for below `host_root`, with symlinks resolved as a process
/// of the host would.
///
/// # Errors
/// As [`verify`].
pub fn verify_below(selected: &Selected, host_root: &Path) -> Result<Option<OwnedFd>, PinError> {
    verify_with(selected, |path, flags| {
        Ok(open_below(host_root, path, flags | OFlag::O_RDONLY)?)
    })
}

/// Opens and hashes an executable. The result is to be executed through this descriptor, which is close-on-exec.
///
/// `None` for a script that matches its pin: the kernel tells an interpreter the name of the script, so that it can be
/// executed by its path only.
///
/// # Errors
/// When the file cannot be read, is not a regular one, or has another content.
pub fn open(path: &Path, pinned: Sha256) -> Result<Option<OwnedFd>, Mismatch> {
    compare(|flags| by_path(path, flags), pinned)
}

fn verify_with(
    selected: &Selected,
    open: impl Fn(&Path, OFlag) -> io::Result<File>,
) -> Result<Option<OwnedFd>, PinError> {
    let Some(pinned) = selected.sha256 else {
        return Ok(None);
    };
    let path = &selected.hook.path;
    compare(|flags| open(path, flags), pinned).map_err(|reason| PinError {
        path: path.clone(),
        file: selected.file.clone(),
        reason,
    })
}

fn compare(
    open: impl Fn(OFlag) -> io::Result<File>,
    pinned: Sha256,
) -> Result<Option<OwnedFd>, Mismatch> {
    let file = regular(open)?;
    let (found, is_script) =
        digest(&file).map_err(|e| Mismatch::Unreadable(failed_io("read", &e)))?;
    if found == pinned {
        Ok((!is_script).then(|| file.into()))
    } else {
        Err(Mismatch::Changed { found, pinned })
    }
}

fn by_path(path: &Path, flags: OFlag) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

/// Opens a file that may turn out to be a FIFO or a terminal.
fn regular(open: impl Fn(OFlag) -> io::Result<File>) -> Result<File, Mismatch> {
    let unreadable = |e: io::Error| Mismatch::Unreadable(failed_io("open", &e));
    let file = open(OFlag::O_NONBLOCK | OFlag::O_NOCTTY).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_file() {
        Ok(file)
    } else {
        Err(Mismatch::NotRegular)
    }
}

/// The digest of a file, and whether it is a script.
fn digest(mut file: &File) -> io::Result<(Sha256, bool)> {
    let mut hasher = Hasher::new();
    let mut is_script = None;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let piece = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => &buffer[..count],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        is_script.get_or_insert_with(|| piece.starts_with(b"#!"));
        hasher.update(piece);
    }
    Ok((Sha256(hasher.finalize().into()), is_script.unwrap_or(false)))
}
