//! The engines: their names, where their configuration is, and what can be told to their daemons.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::store::Store;

/// A container engine whose configuration names its runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Docker: `daemon.json`
    Docker,
    /// containerd with its CRI plugin: `config.toml` and the files that it imports
    Containerd,
    /// CRI-O: `crio.conf` and `crio.conf.d`
    Crio,
    /// podman: `containers.conf` and `containers.conf.d`
    Podman,
}

impl Engine {
    /// The engine's name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Docker => "docker",
            Engine::Containerd => "containerd",
            Engine::Crio => "crio",
            Engine::Podman => "podman",
        }
    }

    /// Where the engine's configuration file is unless it is told otherwise.
    pub fn default_config(self) -> &'static Path {
        Path::new(match self {
            Engine::Docker => "/etc/docker/daemon.json",
            Engine::Containerd => "/etc/containerd/config.toml",
            Engine::Crio => "/etc/crio/crio.conf",
            Engine::Podman => "/etc/containers/containers.conf",
        })
    }

    /// The program that runs as a daemon; `None` for an engine without one.
    pub fn daemon(self) -> Option<&'static str> {
        match self {
            Engine::Docker => Some("dockerd"),
            Engine::Containerd => Some("containerd"),
            Engine::Crio => Some("crio"),
            Engine::Podman => None,
        }
    }

    /// Whether the daemon reads its runtimes again at SIGHUP. containerd does not catch that signal: it would end.
    pub fn reloads(self) -> bool {
        matches!(self, Engine::Docker | Engine::Crio)
    }

    /// The runtime that the engine uses when its configuration says nothing; `None` where that depends on its version.
    pub fn built_in_default(self) -> Option<&'static str> {
        match self {
            Engine::Docker | Engine::Containerd => Some("runc"),
            Engine::Crio | Engine::Podman => None,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The files of one engine that are read and written.
#[derive(Clone, Debug)]
pub struct Target {
    /// The engine.
    pub engine: Engine,
    /// Its configuration file, absolute and without symlinks.
    pub config: PathBuf,
    /// The file of our own, for the engines that have drop-ins.
    pub drop_in: Option<PathBuf>,
    /// The major version of the containerd that reads the files, where it is known.
    pub containerd_major: Option<u32>,
}

impl Target {
    /// Decides which files are meant. `config` and `drop_in` go before the usual places; a drop-in that was written
    /// earlier stays where it is.
    ///
    /// # Errors
    /// A drop-in for Docker, which has none, or another one than earlier; a symlink that somebody else could change.
    pub fn new(
        store: &Store,
        engine: Engine,
        config: Option<&Path>,
        drop_in: Option<&Path>,
    ) -> Result<Target> {
        let config = absolute(config.unwrap_or(engine.default_config()))?;
        let usual = match engine {
            Engine::Docker => None,
            Engine::Containerd => Some(config.with_file_name("conf.d").join("99-lxcri.toml")),
            Engine::Crio | Engine::Podman => Some(drop_in_directory(&config).join("99-lxcri.conf")),
        };
        let mut target = Target {
            engine,
            config: crate::file::resolve(&config)?,
            drop_in: usual,
            containerd_major: None,
        };
        let recorded = store.load(&target)?.and_then(|record| record.drop_in);
        let given = drop_in.map(absolute).transpose()?;
        match (given, recorded) {
            (Some(_), _) if engine == Engine::Docker => {
                return Err(Error::Usage("docker has no drop-in files".into()));
            }
            (Some(given), Some(recorded)) if given != recorded => {
                let reason = format!("the drop-in is {}; unconfigure first", recorded.display());
                return Err(Error::file(&given, reason));
            }
            (Some(path), _) | (None, Some(path)) => target.drop_in = Some(path),
            (None, None) => {}
        }
        Ok(target)
    }
}

/// The directory that CRI-O and podman read after the file: its name with `.d`.
pub(crate) fn drop_in_directory(config: &Path) -> PathBuf {
    let mut name = config.as_os_str().to_owned();
    name.push(".d");
    PathBuf::from(name)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|e| Error::io("find", path, e))
}
