//! Pins: a hook whose executable must have a certain content.
//!
//! The file is opened once, hashed through that descriptor, and can be executed through it, so that what was checked is
//! what runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::fcntl::OFlag;
use sha2::{Digest, Sha256 as Hasher};

use crate::definition::Sha256;
use crate::select::Selected;

/// Why a pinned hook must not run. The file is not to be executed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PinError {
    #[error("pinned hook {path:?} of {file:?}: {error}")]
    Read {
        path: PathBuf,
        file: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("pinned hook {path:?} of {file:?}: is not a regular file")]
    NotRegular { path: PathBuf, file: PathBuf },
    #[error(
        "pinned hook {path:?} of {file:?}: its content has changed: sha256 is {found}, not {pinned}"
    )]
    Changed {
        path: PathBuf,
        file: PathBuf,
        found: Sha256,
        pinned: Sha256,
    },
}

/// Compares the executable of a hook with its pin. `None` when it has none; otherwise the file that was hashed, opened for
/// reading and close-on-exec.
///
/// # Errors
/// When the file cannot be read, is not a regular one, or has another content.
pub fn verify(selected: &Selected) -> Result<Option<OwnedFd>, PinError> {
    let Some(pinned) = selected.sha256 else {
        return Ok(None);
    };
    let path = || selected.hook.path.clone();
    let file = || selected.file.clone();
    let unreadable = |error| PinError::Read {
        path: path(),
        file: file(),
        error,
    };
    let executable = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(&selected.hook.path)
        .map_err(unreadable)?;
    if !executable.metadata().map_err(unreadable)?.is_file() {
        return Err(PinError::NotRegular {
            path: path(),
            file: file(),
        });
    }
    let found = digest(&executable).map_err(unreadable)?;
    if found != pinned {
        return Err(PinError::Changed {
            path: path(),
            file: file(),
            found,
            pinned,
        });
    }
    Ok(Some(executable.into()))
}

fn digest(mut file: &File) -> io::Result<Sha256> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Sha256(hasher.finalize().into())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
