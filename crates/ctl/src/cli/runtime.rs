//! `lxcri-ctl runtime`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Format;

/// Shown by `lxcri-ctl runtime --help`.
pub const EXAMPLE: &str =
    "Example: lxcri-ctl runtime configure --engine containerd --set-default --dry-run";

/// The commands on engines.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a runtime known to an engine
    #[command(after_help = "\
Example: what would change, then the change
  lxcri-ctl runtime configure --engine docker --set-default --dry-run
  lxcri-ctl runtime configure --engine docker --set-default --restart signal")]
    Configure(Configure),
    /// Make an engine forget a runtime; the previous default comes back
    #[command(
        after_help = "Example: lxcri-ctl runtime unconfigure --engine docker --restart signal"
    )]
    Unconfigure(Unconfigure),
    /// Tell what an engine would really use
    #[command(after_help = "Example: lxcri-ctl runtime status --engine containerd")]
    Status(Status),
}

/// Which engine, and where its files are.
#[derive(Debug, Args)]
pub struct Files {
    /// The engine
    #[arg(long, value_enum)]
    pub engine: Engine,
    /// The engine's configuration file, if it is not at its usual place
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The file of our own that the engine reads besides [default: 99-lxcri in the engine's directory for that]
    #[arg(long, value_name = "FILE")]
    pub drop_in: Option<PathBuf>,
    /// Where it is remembered what has been done, with backups
    #[arg(long, value_name = "DIR", default_value = engine_config::Store::DEFAULT)]
    pub state: PathBuf,
}

/// What changes do besides.
#[derive(Debug, Args)]
pub struct Change {
    /// Print the changes as a unified diff, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How the engine learns of the change
    #[arg(long, value_enum, default_value_t = Restart::None)]
    pub restart: Restart,
}

/// `runtime configure`
#[derive(Debug, Args)]
pub struct Configure {
    /// The files.
    #[command(flatten)]
    pub files: Files,
    /// Name of the runtime in the engine
    #[arg(long, default_value = "lxcri-inject")]
    pub name: String,
    /// Program of the runtime [default: the program lxcri-inject beside this one]
    #[arg(long, value_name = "FILE")]
    pub path: Option<PathBuf>,
    /// Make it the engine's default runtime, too
    #[arg(long)]
    pub set_default: bool,
    /// The rest.
    #[command(flatten)]
    pub change: Change,
}

/// `runtime unconfigure`
#[derive(Debug, Args)]
pub struct Unconfigure {
    /// The files.
    #[command(flatten)]
    pub files: Files,
    /// Name of the runtime in the engine
    #[arg(long, default_value = "lxcri-inject")]
    pub name: String,
    /// The rest.
    #[command(flatten)]
    pub change: Change,
}

/// `runtime status`
#[derive(Debug, Args)]
pub struct Status {
    /// The files.
    #[command(flatten)]
    pub files: Files,
    /// Format of the report
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum Engine {
    Docker,
    Containerd,
    Crio,
    Podman,
}

/// How the engine learns of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Restart {
    /// Not at all
    None,
    /// SIGHUP to its daemon (docker, crio)
    Signal,
    /// systemctl restart
    Systemd,
}
