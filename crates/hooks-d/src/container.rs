//! What conditions ask of a container.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

/// A container as the conditions see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The arguments of its process; `None` when there is no process.
    pub args: Option<Vec<String>>,
    /// Whether something of the host is mounted into it, beyond what runtimes and engines mount by themselves.
    pub has_bind_mounts: bool,
}

/// A config.json of which the conditions cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No JSON, or a value of the wrong type.
    #[error("config.json: {0}")]
    Json(#[from] serde_json::Error),
    /// Podman fails here, too, and no runtime takes such a process.
    #[error("config.json: /process/args: has no entry")]
    NoArgs,
}

/// Where engines and runtimes bind-mount something by themselves.
const OWN_MOUNTS: [&str; 17] = [
    "/.dockerenv",
    "/dev",
    "/dev/init",
    "/dev/mqueue",
    "/dev/pts",
    "/dev/shm",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/proc",
    "/run/.containerenv",
    "/run/podman-init",
    "/run/secrets",
    "/sbin/docker-init",
    "/sys",
    "/sys/fs/cgroup",
    "/var/run/secrets",
];

#[derive(Deserialize)]
struct Config<'a> {
    annotations: Option<BTreeMap<String, String>>,
    process: Option<Process>,
    #[serde(borrow)]
    mounts: Option<Vec<Mount<'a>>>,
}

#[derive(Deserialize)]
struct Process {
    args: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Mount<'a> {
    #[serde(borrow)]
    destination: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    options: Option<Vec<Cow<'a, str>>>,
}

impl Container {
    /// Reads a config.json as far as conditions need it; nothing else is looked at.
    ///
    /// # Errors
    /// When it is no JSON object, one of these values has the wrong type, or the process has no arguments.
    pub fn from_config(config_json: &[u8]) -> Result<Container, ConfigError> {
        let config: Config<'_> = serde_json::from_slice(config_json)?;
        let args = config
            .process
            .map(|process| process.args.unwrap_or_default());
        if args.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::NoArgs);
        }
        Ok(Container {
            annotations: config.annotations.unwrap_or_default(),
            args,
            has_bind_mounts: config.mounts.iter().flatten().any(Mount::is_of_the_user),
        })
    }

    /// Whether a bind mount to this destination is one that runtimes and engines make by themselves, so that it does not
    /// count for [`Container::has_bind_mounts`].
    pub fn is_own_mount(destination: &str) -> bool {
        let destination = match destination.trim_end_matches('/') {
            "" => "/",
            trimmed => trimmed,
        };
        OWN_MOUNTS.contains(&destination)
    }
}

impl Mount<'_> {
    fn is_of_the_user(&self) -> bool {
        let mut options = self.options.iter().flatten();
        let is_bind = self.kind.as_deref() == Some("bind")
            || options.any(|option| matches!(&**option, "bind" | "rbind"));
        is_bind && !Container::is_own_mount(&self.destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(json: &str) -> Container {
        Container::from_config(json.as_bytes()).unwrap()
    }

    #[test]
    fn what_conditions_need_is_read() {
        let read = container(
            r#"{"ociVersion": "1.0.2", "process": {"cwd": "/", "args": ["sh", "-c"]},
                "annotations": {"a": "1"}, "hooks": {"x": 99999999999999999999999999}}"#,
        );
        assert_eq!(read.annotations["a"], "1");
        assert_eq!(read.args.unwrap(), ["sh", "-c"]);
        assert!(!read.has_bind_mounts);
        assert_eq!(
            container(r#"{"process": null, "annotations": null, "mounts": null}"#),
            Container::default()
        );
    }

    #[test]
    fn empty_args_is_an_error() {
        for config in [r#"{"process": {"args": []}}"#, r#"{"process": {}}"#] {
            let error = Container::from_config(config.as_bytes()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "config.json: /process/args: has no entry"
            );
        }
    }

    #[test]
    fn bind_mounts_are_those_that_engines_do_not_make_by_themselves() {
        for (mount, counts) in [
            (r#"{"destination": "/data", "type": "bind"}"#, true),
            (
                r#"{"destination": "/data", "options": ["ro", "rbind"]}"#,
                true,
            ),
            (
                r#"{"destination": "\/data", "type": "none", "options": ["bind"]}"#,
                true,
            ),
            (r#"{"destination": "/dev/fuse", "type": "bind"}"#, true),
            (
                r#"{"destination": "/data", "type": "tmpfs", "options": ["ro"]}"#,
                false,
            ),
            (r#"{"destination": "/proc", "type": "proc"}"#, false),
            (r#"{"destination": "/etc/hosts", "type": "bind"}"#, false),
            (r#"{"destination": "/dev/shm/", "type": "bind"}"#, false),
        ] {
            let config = format!(r#"{{"mounts": [{mount}]}}"#);
            assert_eq!(container(&config).has_bind_mounts, counts, "{mount}");
        }
    }

    #[test]
    fn wrong_types_are_errors() {
        for config in [
            "",
            "[]",
            r#"{"annotations": {"a": 1}}"#,
            r#"{"process": {"args": "sh"}}"#,
            "{} x",
        ] {
            let error = Container::from_config(config.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("config.json: "), "{error}");
        }
    }
}
