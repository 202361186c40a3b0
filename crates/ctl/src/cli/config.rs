//! `lxcri-ctl config`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Shown by `lxcri-ctl config --help`.
pub const EXAMPLE: &str = "Example: lxcri-ctl config set inject runtimes crun runc";

/// The commands on our own configuration files.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print all keys with their values, defaults included
    #[command(after_help = "Example: lxcri-ctl config show inject")]
    Show(Named),
    /// Set a key, or without a value bring its default back; comments and order are kept
    #[command(after_help = "\
Example: other runtimes for lxcri-inject, then the usual ones again
  lxcri-ctl config set inject runtimes crun runc
  lxcri-ctl config set inject runtimes")]
    Set(Set),
    /// Check that a file says only what its program understands
    #[command(after_help = "Example: lxcri-ctl config check inject")]
    Check(Named),
}

/// Which file.
#[derive(Debug, Args)]
pub struct Named {
    /// Whose configuration
    #[arg(value_enum)]
    pub name: Name,
    /// The file, if it is not at its usual place in /etc/lxcri
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `config set`
#[derive(Debug, Args)]
pub struct Set {
    /// Which file.
    #[command(flatten)]
    pub named: Named,
    /// The key
    pub key: String,
    /// The value; a list takes several
    pub values: Vec<String>,
}

/// The files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// lxcri.toml, of the runtime lxcri
    Lxcri,
    /// inject.toml, of lxcri-inject
    Inject,
}
