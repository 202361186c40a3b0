//! The command line, and the environment of a pre-installed plugin.

use std::os::fd::RawFd;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::options::Options;
use crate::session::Identity;

/// Inject the hooks of hooks.d into the containers of an engine with NRI
///
/// Connects to the engine's NRI socket and stays. An engine that finds this program among its pre-installed plugins starts it
/// without arguments and delivers the options as its configuration file.
#[derive(Debug, Parser)]
#[command(name = "lxcri-nri", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// How to be found, and by whom
    #[command(flatten)]
    pub external: External,
    /// What a configuration file may set as well
    #[command(flatten)]
    pub options: Options,
    /// Something else to do
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Commands besides being a plugin.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the completion script of a shell
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Options of a plugin that connects by itself.
#[derive(Debug, Args)]
pub struct External {
    /// Index of the plugin: two digits; the hooks of plugins with a lower one come first
    #[arg(long, value_name = "NN", default_value = "10", value_parser = index)]
    pub idx: String,
    /// Name of the plugin
    #[arg(long, default_value = "lxcri-nri", value_parser = name)]
    pub name: String,
    /// Where the engine listens
    #[arg(long, value_name = "PATH", default_value = "/var/run/nri/nri.sock")]
    pub socket: PathBuf,
}

impl External {
    /// How the plugin calls itself.
    pub fn identity(&self) -> Identity {
        Identity {
            name: self.name.clone(),
            index: self.idx.clone(),
        }
    }
}

/// What an engine tells a pre-installed plugin in its environment.
#[derive(Debug, PartialEq, Eq)]
pub struct PreInstalled {
    /// From NRI_PLUGIN_NAME and NRI_PLUGIN_IDX.
    pub identity: Identity,
    /// From NRI_PLUGIN_SOCKET: a connected socket.
    pub socket: RawFd,
}

impl PreInstalled {
    /// `None` without NRI_PLUGIN_SOCKET.
    ///
    /// # Errors
    /// A variable that is missing or wrong, named in one line.
    pub fn from_environment(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<PreInstalled>> {
        const SOCKET: &str = "NRI_PLUGIN_SOCKET";
        let Some(socket) = variable(SOCKET) else {
            return Ok(None);
        };
        let Ok(socket) = socket.parse() else {
            bail!("{SOCKET}={socket:?}: not the number of a descriptor");
        };
        let value = |key: &str, check: fn(&str) -> Result<String, String>| {
            let text =
                variable(key).with_context(|| format!("{key} is not set, but {SOCKET} is"))?;
            check(&text).map_err(|e| anyhow::anyhow!("{key}={text:?}: {e}"))
        };
        let identity = Identity {
            name: value("NRI_PLUGIN_NAME", name)?,
            index: value("NRI_PLUGIN_IDX", index)?,
        };
        Ok(Some(PreInstalled { identity, socket }))
    }
}

/// The engine's own rule for an index.
fn index(text: &str) -> Result<String, String> {
    match text.as_bytes() {
        [b'0'..=b'9', b'0'..=b'9'] => Ok(text.to_owned()),
        _ => Err("not two digits".to_owned()),
    }
}

/// The engine's own rule for a name.
fn name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    if text.is_empty() || !text.chars().all(allowed) {
        return Err("may hold letters, digits and . _ - + only".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn environment(list: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |key| {
            list.iter()
                .find(|(k, _)| *k == key)
                .map(|(_, v)| (*v).to_owned())
        }
    }

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_shipped_has_options_that_exist() {
        let unit = include_str!("../deploy/lxcri-nri.service");
        let exec = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="))
            .unwrap();
        assert!(Cli::try_parse_from(exec.split(' ')).is_ok(), "{exec}");
        let manifest = include_str!("../deploy/daemonset.yaml");
        let list = manifest
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- "));
        let command: Vec<&str> = list
            .filter(|item| item.starts_with("/usr/bin/lxcri-nri") || item.starts_with("--"))
            .collect();
        let cli = Cli::try_parse_from(&command).unwrap();
        assert_eq!(cli.options.host_root.as_deref(), Some("/host".as_ref()));
    }

    #[test]
    fn indices_and_names_are_checked() {
        for arguments in [
            ["--idx", "7"],
            ["--idx", "100"],
            ["--idx", "x1"],
            ["--name", "a b"],
            ["--name", ""],
        ] {
            let all = ["lxcri-nri"].into_iter().chain(arguments);
            assert!(Cli::try_parse_from(all).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn environment_of_a_pre_installed_plugin() {
        let complete = environment(&[
            ("NRI_PLUGIN_NAME", "lxcri-nri"),
            ("NRI_PLUGIN_IDX", "05"),
            ("NRI_PLUGIN_SOCKET", "3"),
        ]);
        let expected = PreInstalled {
            identity: Identity {
                name: "lxcri-nri".into(),
                index: "05".into(),
            },
            socket: 3,
        };
        assert_eq!(
            PreInstalled::from_environment(complete).unwrap(),
            Some(expected)
        );
        assert_eq!(PreInstalled::from_environment(|_| None).unwrap(), None);
        let error = |list| {
            PreInstalled::from_environment(environment(list))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error(&[("NRI_PLUGIN_SOCKET", "3")]),
            "NRI_PLUGIN_NAME is not set, but NRI_PLUGIN_SOCKET is"
        );
        assert_eq!(
            error(&[("NRI_PLUGIN_SOCKET", "x")]),
            "NRI_PLUGIN_SOCKET=\"x\": not the number of a descriptor"
        );
        assert_eq!(
            error(&[
                ("NRI_PLUGIN_SOCKET", "3"),
                ("NRI_PLUGIN_NAME", "n"),
                ("NRI_PLUGIN_IDX", "1")
            ]),
            "NRI_PLUGIN_IDX=\"1\": not two digits"
        );
    }
}
