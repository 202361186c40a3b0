//! `lxcri-ctl hooks`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

/// Shown by `lxcri-ctl hooks --help`.
pub const EXAMPLE: &str = "Example: lxcri-ctl hooks validate --strict";

/// The commands on hooks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check hook files, and tell all that is wrong with them
    #[command(after_help = "\
Example: the files that lxcri-inject uses, then one that is not installed yet
  lxcri-ctl hooks validate
  lxcri-ctl hooks validate --strict --any-owner ./gpu.json

Exit status: 1 if there is an error, or with --strict a warning.")]
    Validate(Validate),
    /// List all hook files in the order in which their hooks run
    #[command(after_help = "Example: lxcri-ctl hooks list --format json")]
    List(List),
    /// Tell which hooks a container gets, and why
    #[command(
        after_help = "Example: lxcri-ctl hooks explain /run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json"
    )]
    Explain(Explain),
    /// Put the hooks of a container into its config.json, as lxcri-inject does
    #[command(after_help = "\
Example: what would change in a bundle, then the change
  lxcri-ctl hooks inject --dry-run b/config.json
  lxcri-ctl hooks inject b/config.json")]
    Inject(Inject),
}

/// Where hooks come from.
#[derive(Debug, Args)]
pub struct Sources {
    /// Directory with hook files; can be repeated, a later one overrides files of the same name [default: what
    /// lxcri-inject uses]
    #[arg(long = "hooks-dir", value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// File with hooks as container-hooks-toolkit has it
    #[arg(long = "hooks-json", value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Take files that others than root can write to
    #[arg(long)]
    pub any_owner: bool,
}

/// `hooks validate`
#[derive(Debug, Args)]
pub struct Validate {
    /// Hook files (.json) and directories of them [default: what lxcri-inject uses]
    #[arg(value_name = "FILE|DIR", conflicts_with_all = ["dirs", "json"])]
    pub paths: Vec<PathBuf>,
    /// The sources.
    #[command(flatten)]
    pub sources: Sources,
    /// Count warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// Format of the report
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `hooks list`
#[derive(Debug, Args)]
pub struct List {
    /// The sources.
    #[command(flatten)]
    pub sources: Sources,
    /// Format of the list
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `hooks explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// The container's config.json
    #[arg(value_name = "CONFIG.JSON")]
    pub config: PathBuf,
    /// The sources.
    #[command(flatten)]
    pub sources: Sources,
    /// Format of the explanation
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `hooks inject`
#[derive(Debug, Args)]
pub struct Inject {
    /// The container's config.json
    #[arg(value_name = "CONFIG.JSON")]
    pub config: PathBuf,
    /// The sources.
    #[command(flatten)]
    pub sources: Sources,
    /// Print the change as a unified diff, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}
