//! Where hooks come from, and what a bad file there means.

use std::path::{Path, PathBuf};

use crate::access::Access;
use crate::directory::Directory;

/// The directories of podman and CRI-O; a file of the second overrides one of the same name in the first.
pub const DEFAULT_DIRS: [&str; 2] = [
    "/usr/share/containers/oci/hooks.d",
    "/etc/containers/oci/hooks.d",
];

/// What a bad file of a source means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnError {
    /// No container can be made.
    #[default]
    Fail,
    /// Containers are made without the hooks of this file.
    Skip,
}

/// A directory or file with hooks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A hooks.d directory. One that does not exist has no hooks.
    Dir(PathBuf),
    /// A hooks.json, which must exist.
    HooksJson(PathBuf),
}

impl Source {
    /// The directory or the file.
    pub fn path(&self) -> &Path {
        match self {
            Source::Dir(path) | Source::HooksJson(path) => path,
        }
    }
}

/// All sources and how they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// In order of precedence: a file in a later directory overrides one of exactly the same name in an earlier one.
    pub list: Vec<(Source, OnError)>,
    /// Who may own and write the directories and files.
    pub access: Access,
    /// A directory that is the root of the host on which the hooks run, for a program in a container. The paths of hooks
    /// are looked for below it. Sources are paths in our own mount namespace; symlinks of those that lie below it are resolved
    /// as on the host.
    pub host_root: Option<PathBuf>,
}

impl Sources {
    /// Directories whose bad files fail, owned by root.
    pub fn from_dirs(dirs: impl IntoIterator<Item = PathBuf>) -> Sources {
        Sources {
            list: dirs
                .into_iter()
                .map(|dir| (Source::Dir(dir), OnError::Fail))
                .collect(),
            ..Sources::default()
        }
    }

    /// The directories that do not exist.
    pub fn missing(&self) -> impl Iterator<Item = &Path> {
        let host_root = self.host_root.as_deref();
        let is_missing =
            move |path: &Path| matches!(Directory::open(path, Access::Anyone, host_root), Ok(None));
        self.list
            .iter()
            .filter_map(move |(source, _)| match source {
                Source::Dir(path) if is_missing(path) => Some(path.as_path()),
                Source::Dir(_) | Source::HooksJson(_) => None,
            })
    }
}
