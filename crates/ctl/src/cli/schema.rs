//! `lxcri-ctl schema`

use clap::{Args, ValueEnum};

/// `schema`
#[derive(Debug, Args)]
pub struct Schema {
    /// Of which file
    #[arg(value_enum)]
    pub name: Name,
}

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// A file of a hooks.d directory
    Hooks,
    /// /etc/lxcri/inject.toml
    Inject,
    /// /etc/lxcri/lxcri.toml
    Lxcri,
}
