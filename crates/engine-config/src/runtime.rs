//! A runtime as the engines are to know it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Names that engines use for runtimes of their own.
const TAKEN: [&str; 3] = ["runc", "crun", "default"];

/// A runtime to be configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Its name in the engine.
    pub name: String,
    /// Its program, an absolute path.
    pub path: PathBuf,
    /// Whether it is to be the engine's default.
    pub default: bool,
}

impl Runtime {
    /// A runtime whose name and path are usable in every engine.
    ///
    /// # Errors
    /// A name that an engine would not take or that is taken, or a path that is not absolute or has control characters.
    pub fn new(name: &str, path: &Path, default: bool) -> Result<Runtime> {
        check_name(name)?;
        let text = path.to_str().unwrap_or_default();
        if !path.is_absolute() || text.is_empty() || text.chars().any(char::is_control) {
            let reason = "not an absolute path that can be written into a configuration file";
            return Err(Error::file(path, reason));
        }
        Ok(Runtime {
            name: name.to_owned(),
            path: path.to_owned(),
            default,
        })
    }

    /// Whether a path leads to this runtime's program.
    pub(crate) fn is(&self, path: &Path) -> bool {
        let real = |path: &Path| path.is_absolute().then(|| path.canonicalize().ok())?;
        path == self.path || real(path).is_some_and(|found| Some(found) == real(&self.path))
    }

    /// The path as text; it was checked when the runtime was made.
    pub(crate) fn program(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

/// Whether a runtime may be called so.
///
/// # Errors
/// When an engine would not take the name, or has a runtime of its own with it.
pub fn check_name(name: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || !name.chars().all(fine) {
        return Err(Error::Usage(format!(
            "runtime name {name:?}: letters, digits, `_`, `.` and `-`, beginning with a letter or digit"
        )));
    }
    if TAKEN.contains(&name) {
        return Err(Error::Usage(format!(
            "runtime name {name:?}: engines have a runtime of that name"
        )));
    }
    Ok(())
}

/// The runtime that is to be the default: the last that wants to.
pub(crate) fn default_of(runtimes: &[Runtime]) -> Option<&str> {
    let last = runtimes.iter().rev().find(|r| r.default);
    last.map(|r| r.name.as_str())
}
