//! The engines: their names, where their configuration is, and what can be told to their daemons.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

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

    /// Where the runtime of that name stands in a file: a JSON pointer, or a TOML key below that of containerd's CRI plugin.
    pub(crate) fn place_of(self, runtime: &str) -> String {
        match self {
            Engine::Docker => format!("/runtimes/{runtime}"),
            Engine::Containerd => format!("containerd.runtimes.{runtime}"),
            Engine::Crio => format!("crio.runtime.runtimes.{runtime}"),
            Engine::Podman => format!("engine.runtimes.{runtime}"),
        }
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
