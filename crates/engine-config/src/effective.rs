//! What an engine takes from its files: the default runtime and all runtimes, and which file says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A value and the file that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The value.
    pub value: String,
    /// The file that has the last word on it.
    pub file: PathBuf,
}

impl Found {
    pub(crate) fn new(value: String, file: &Path) -> Found {
        Found {
            value,
            file: file.to_owned(),
        }
    }
}

/// The configuration after all files have been read in the engine's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    /// The files that were read, in that order.
    pub files: Vec<PathBuf>,
    /// The default runtime; `None` when no file names one.
    pub default: Option<Found>,
    /// The runtimes by name, with their program (or, where the engine has none, their type).
    pub runtimes: BTreeMap<String, Found>,
    /// What keeps the engine from using any of this.
    pub warnings: Vec<String>,
}
