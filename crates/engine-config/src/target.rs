//! The files of one engine that are read and written.

use std::path::{Path, PathBuf};

use crate::engine::Engine;

/// The files of one engine that are read and written.
#[derive(Clone, Debug)]
pub struct Target {
    /// The engine.
    pub engine: Engine,
    /// Its configuration file, absolute and without symlinks: what is read and replaced.
    pub config: PathBuf,
    /// The same file by the name that the engine is given, perhaps a symlink. Drop-ins and relative imports are beside this one.
    pub named: PathBuf,
    /// The file of our own, for the engines that have drop-ins.
    pub drop_in: Option<PathBuf>,
    /// The major version of the containerd that reads the files, where it is known.
    pub containerd_major: Option<u32>,
}

/// The directory that CRI-O and podman read after the file: its name with `.d`.
pub(crate) fn drop_in_directory(config: &Path) -> PathBuf {
    let mut name = config.as_os_str().to_owned();
    name.push(".d");
    PathBuf::from(name)
}
