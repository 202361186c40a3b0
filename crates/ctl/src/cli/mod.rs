//! The command line as clap structures, one file for each group of commands.

pub mod config;
pub mod hooks;
pub mod install;
pub mod runtime;
pub mod schema;

use clap::{Parser, Subcommand, ValueEnum};

/// Configure engines for lxcri, check and explain hooks, install the programs.
#[derive(Debug, Parser)]
#[command(
    name = "lxcri-ctl",
    version,
    max_term_width = 100,
    after_help = "\
Example: a hook for every container of Docker
  lxcri-ctl hooks validate
  lxcri-ctl runtime configure --engine docker --set-default --restart signal

Exit status: 0 success, 1 failure or a problem was found, 2 wrong usage."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a runtime known to a container engine, undo that, or see what the engine uses
    #[command(subcommand, after_help = runtime::EXAMPLE)]
    Runtime(runtime::Command),
    /// Check, list, explain and inject hooks
    #[command(subcommand, after_help = hooks::EXAMPLE)]
    Hooks(hooks::Command),
    /// Show, change and check the configuration of lxcri and lxcri-inject
    #[command(subcommand, after_help = config::EXAMPLE)]
    Config(config::Command),
    /// Install the programs that lie beside this one, each replaced as a whole
    #[command(after_help = "Example: ./lxcri-ctl install --prefix /usr/local")]
    Install(install::Prefix),
    /// Remove the installed programs
    #[command(after_help = "Example: lxcri-ctl uninstall --prefix /usr/local")]
    Uninstall(install::Uninstall),
    /// Print the JSON Schema of a hook file or a configuration file
    #[command(after_help = "Example: lxcri-ctl schema hooks > hooks.schema.json")]
    Schema(schema::Schema),
    /// Print the completion script of a shell
    #[command(
        hide = true,
        after_help = "Example: lxcri-ctl completions bash > lxcri-ctl"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines to read
    Text,
    /// JSON
    Json,
}
