//! Whether the file of a hook can be executed, asked before anything is created.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::hook::Hook;
use crate::problem::{Problem, Problems};
use crate::set::HookSet;
use hook_tree::Phase;

/// Why the file of a hook cannot be executed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum NotExecutable {
    #[error("{0:?} does not exist")]
    Missing(PathBuf),
    #[error("{0:?} is a directory")]
    Directory(PathBuf),
    #[error("{0:?} is not a regular file")]
    NotRegular(PathBuf),
    #[error("{0:?} is not executable")]
    NotExecutable(PathBuf),
    #[error("stat({0:?}): {1}")]
    Stat(PathBuf, io::Error),
}

/// Looks at the file of a hook in the caller's mount namespace, symlinks followed as execve would.
///
/// The answer holds for this moment only; it is for a clear message at an early time, and execve has the last word.
pub fn check_executable(hook: &Hook) -> Result<(), NotExecutable> {
    check_metadata(hook, std::fs::metadata(&hook.path))
}

/// Like [`check_executable`], for a caller that has looked at the file itself.
pub fn check_metadata(hook: &Hook, found: io::Result<Metadata>) -> Result<(), NotExecutable> {
    let path = || hook.path.clone();
    let metadata = match found {
        Ok(metadata) => metadata,
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Err(NotExecutable::Missing(path()));
        }
        Err(e) => return Err(NotExecutable::Stat(path(), e)),
    };
    if metadata.is_dir() {
        return Err(NotExecutable::Directory(path()));
    }
    if !metadata.is_file() {
        return Err(NotExecutable::NotRegular(path()));
    }
    // Root needs one of the bits as well, and whoever is not root hears the rest from execve.
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(NotExecutable::NotExecutable(path()));
    }
    Ok(())
}

/// [`check_executable`] for all hooks of some phases, with JSON pointers.
pub fn check_executables(set: &HookSet, phases: &[Phase]) -> Result<(), Problems> {
    let mut problems = Vec::new();
    for (phase, n, hook) in set.iter().filter(|(phase, ..)| phases.contains(phase)) {
        if let Err(e) = check_executable(hook) {
            problems.push(Problem::new(
                format!("/hooks/{}/{}/path", phase.oci_name(), n - 1),
                e.to_string(),
            ));
        }
    }
    Problems(problems).none_or(())
}
