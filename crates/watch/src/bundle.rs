//! What is used of a container's configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::view::{ReadError, View};

/// Most bytes of a config.json. Engines write some ten thousand.
pub const CONFIG_LIMIT: u64 = 16 << 20;

/// Why a configuration is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not JSON, or not a configuration.
    #[error("{0}: {1}")]
    Malformed(PathBuf, String),
}

/// A configuration: its text, and the parts that matter here.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The file's content; empty for LXC.
    pub text: Vec<u8>,
    /// The version of the spec that it claims.
    pub oci_version: String,
    /// The arguments of the container's program.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<String>,
    /// Its working directory.
    pub cwd: PathBuf,
    /// The root file system as written.
    pub rootfs: PathBuf,
    /// Bind mounts: destination and source.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whether the container gets a pid namespace of its own.
    pub own_pids: bool,
    /// The last component of the cgroup path, if one is asked for.
    pub cgroup: Option<String>,
}

impl Config {
    /// Reads the configuration at `path`.
    pub fn read(view: &View, path: &Path) -> Result<Config, ConfigError> {
        let text = view.read(path, CONFIG_LIMIT)?;
        Config::parse(text).map_err(|reason| ConfigError::Malformed(path.to_owned(), reason))
    }

    fn parse(text: Vec<u8>) -> Result<Config, String> {
        let spec: Spec = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
        let process = spec.process.unwrap_or_default();
        let linux = spec.linux.unwrap_or_default();
        let namespaces = linux.namespaces.unwrap_or_default();
        let own_pids = namespaces
            .iter()
            .any(|entry| entry.kind == "pid" && entry.path.as_deref().unwrap_or("").is_empty());
        let mounts = spec.mounts.unwrap_or_default();
        Ok(Config {
            text,
            oci_version: spec.oci_version,
            args: process.args.unwrap_or_default(),
            env: process.env.unwrap_or_default(),
            cwd: process.cwd.unwrap_or_else(|| "/".into()),
            rootfs: spec.root.map(|root| root.path).unwrap_or_default(),
            binds: mounts.into_iter().filter_map(Mount::bind).collect(),
            annotations: spec.annotations.unwrap_or_default(),
            own_pids,
            cgroup: linux.cgroups_path.as_deref().and_then(last_component),
        })
    }
}

/// `a/b/NAME`, or `slice:prefix:NAME` for systemd.
fn last_component(path: &str) -> Option<String> {
    let name = path.rsplit(['/', ':']).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    oci_version: String,
    process: Option<Process>,
    root: Option<Root>,
    mounts: Option<Vec<Mount>>,
    annotations: Option<BTreeMap<String, String>>,
    linux: Option<Linux>,
}

#[derive(Default, Deserialize)]
struct Process {
    args: Option<Vec<String>>,
    env: Option<Vec<String>>,
    cwd: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Root {
    path: PathBuf,
}

#[derive(Deserialize)]
struct Mount {
    destination: PathBuf,
    source: Option<PathBuf>,
    #[serde(rename = "type")]
    kind: Option<String>,
    options: Option<Vec<String>>,
}

impl Mount {
    fn bind(self) -> Option<(PathBuf, PathBuf)> {
        let options = self.options.unwrap_or_default();
        let bind = self.kind.as_deref() == Some("bind")
            || options.iter().any(|o| o == "bind" || o == "rbind");
        Some((self.destination, self.source?)).filter(|_| bind)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: Option<Vec<Namespace>>,
    cgroups_path: Option<String>,
}

#[derive(Deserialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    path: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_found() {
        let text = r#"{"ociVersion":"1.2.0","process":{"args":["sh","-c","x"],"env":["PATH=/a:/b"],"cwd":"/w"},
            "root":{"path":"rootfs"},"annotations":{"k":"v"},"linux":{"cgroupsPath":"s:p:name",
            "namespaces":[{"type":"pid"},{"type":"network","path":"/n"}]},
            "mounts":[{"destination":"/a","source":"/b","options":["rbind","ro"]},
                      {"destination":"/c","source":"/d","type":"bind"},
                      {"destination":"/proc","source":"proc","type":"proc"}]}"#;
        let config = Config::parse(text.into()).unwrap();
        assert_eq!(config.args, ["sh", "-c", "x"]);
        assert_eq!(
            (&*config.oci_version, &*config.cwd),
            ("1.2.0", Path::new("/w"))
        );
        assert_eq!(config.annotations["k"], "v");
        assert_eq!(config.binds.len(), 2);
        assert!(config.own_pids);
        assert_eq!(config.cgroup.as_deref(), Some("name"));
    }

    #[test]
    fn null_is_nothing() {
        let text = r#"{"process":null,"root":null,"mounts":null,"annotations":null,
            "linux":{"namespaces":[{"type":"pid","path":"/proc/1/ns/pid"}],"cgroupsPath":""}}"#;
        let config = Config::parse(text.into()).unwrap();
        assert!(config.args.is_empty() && !config.own_pids && config.cgroup.is_none());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "[]",
            "{\"process\":3}",
            "{\"annotations\":{\"a\":1}}",
            "{",
        ] {
            assert!(Config::parse(text.into()).is_err(), "{text}");
        }
        // Nesting beyond any configuration ends the parser, not the stack.
        let deep = "[".repeat(1 << 20);
        assert!(Config::parse(format!("{{\"x\":{deep}").into()).is_err());
    }
}
