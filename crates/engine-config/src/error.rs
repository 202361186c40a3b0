//! What can go wrong, in one line each.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a configuration was not read or not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{operation} {}: {}", path.display(), describe(cause))]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// A file holds something that it must not.
    #[error("{}: {place}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// A line and column, or a JSON pointer or TOML key.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A file is not one that may be read or replaced.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Something failed, and so did undoing what had been done before it.
    #[error(
        "{cause}; and putting back what was there failed: {}",
        joined(failures)
    )]
    HalfDone {
        /// What failed first.
        cause: Box<Error>,
        /// What failed while it was undone.
        failures: Vec<Error>,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The engine or a program that speaks for it did not do what it was asked for.
    #[error("{0}")]
    Engine(String),
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: &Path, cause: io::Error) -> Error {
        Error::Io {
            operation,
            path: path.to_owned(),
            cause,
        }
    }

    /// This error, and one of undoing what had been done before it.
    pub(crate) fn and(self, failure: Option<Error>) -> Error {
        let Some(failure) = failure else {
            return self;
        };
        let (cause, mut failures) = match self {
            Error::HalfDone { cause, failures } => (cause, failures),
            cause => (Box::new(cause), Vec::new()),
        };
        failures.push(failure);
        Error::HalfDone { cause, failures }
    }

    /// Whether something could not be undone.
    pub(crate) fn is_half_done(&self) -> bool {
        matches!(self, Error::HalfDone { .. })
    }

    pub(crate) fn content(path: &Path, place: impl ToString, reason: impl ToString) -> Error {
        Error::Content {
            path: path.to_owned(),
            place: place.to_string(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn file(path: &Path, reason: impl ToString) -> Error {
        Error::File {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

fn joined(errors: &[Error]) -> String {
    let errors: Vec<String> = errors.iter().map(Error::to_string).collect();
    errors.join("; ")
}

/// `no such file or directory (ENOENT)` instead of the standard library's `No such file or directory (os error 2)`.
fn describe(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(errno) => format!("{} ({errno:?})", errno.desc().to_lowercase()),
        None => error.to_string(),
    }
}
