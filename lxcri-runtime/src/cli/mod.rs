//! The command line as clap structures; what they mean is decided in `settings`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod quick;

/// Directory of the containers' state, if none is given.
const ROOT: &str = "/run/lxcri";
/// Directory with config.json, if none is given.
const BUNDLE: &str = ".";
/// Descriptors from 3 on that one message can carry: 253 (SCM_MAX_FD of the kernel); stdio and the lock of the mount point go with it.
const PRESERVE_FDS_MAX: u32 = 249;
/// The signal, if none is given.
const SIGNAL: &str = "TERM";

/// OCI runtime on LXC that runs every hook exactly as the runtime-spec says.
#[derive(Debug, Parser)]
#[command(
    name = "lxcri",
    version,
    max_term_width = 100,
    after_help = "\
Example: a first container by hand
  mkdir -p b/rootfs/bin && cp /bin/busybox b/rootfs/bin/sh
  lxcri spec --bundle b
  lxcri run --bundle b c1

Exit status: 0 success, 1 failure, 2 wrong usage; run: the status of the container process, 128+n after signal n."
)]
pub struct Cli {
    /// Options for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Parses the command line. Wrong usage and requests for help end the program.
    ///
    /// A description of all commands takes longer to make than a container's state takes to read. So what engines write is
    /// recognised without one; whatever is not goes to the description, which knows what to say.
    pub fn of_command_line() -> Cli {
        let words: Vec<OsString> = std::env::args_os().collect();
        quick::parse(&words).unwrap_or_else(|| Cli::parse_from(words))
    }
}

/// Options for every command, accepted anywhere on the command line.
#[derive(Debug, Args)]
pub struct Global {
    /// Directory of the containers' state
    #[arg(long, global = true, value_name = "DIR", default_value = ROOT)]
    pub root: PathBuf,
    /// File to which messages are appended, besides stderr for errors
    #[arg(long, global = true, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Format of the messages in the log file
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Least severe messages to write
    #[arg(long, global = true, value_enum, default_value_t = LogLevel::Warn)]
    pub log_level: LogLevel,
    /// Same as --log-level debug
    #[arg(long, global = true)]
    pub debug: bool,
    /// Let systemd make the cgroup; linux.cgroupsPath is then slice:prefix:name
    #[arg(long, global = true)]
    pub systemd_cgroup: bool,
    /// Configuration file [default: /etc/lxcri/lxcri.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// File to which a line is appended for each hook that ran; it outlives the container
    #[arg(long, global = true, value_name = "FILE")]
    pub hooks_log: Option<PathBuf>,
}

/// Format of messages in the log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `time="…" level=error msg="…"`
    Text,
    /// One JSON object a line
    Json,
}

/// Severity of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    #[value(alias = "warning")]
    Warn,
    Info,
    Debug,
    Trace,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a container: everything but the user's program
    #[command(after_help = "Example: lxcri create --bundle /tmp/b --pid-file /tmp/pid c1")]
    Create(Create),
    /// Execute the user's program in a created container
    #[command(after_help = "Example: lxcri start c1")]
    Start(Id),
    /// Print the OCI state of a container as JSON
    #[command(after_help = "Example: lxcri state c1")]
    State(Id),
    /// Send a signal to the container process
    #[command(after_help = "Example: lxcri kill c1 TERM")]
    Kill(Kill),
    /// Remove a stopped container and run its poststop hooks
    #[command(after_help = "Example: lxcri delete --force c1")]
    Delete(Delete),
    /// List the containers
    #[command(after_help = "Example: lxcri list --format json", alias = "ls")]
    List(List),
    /// Create and start a container, and wait for its end
    #[command(after_help = "Example: lxcri run --bundle /tmp/b c1")]
    Run(Run),
    /// Write a config.json to begin with
    #[command(after_help = "Example: lxcri spec --bundle /tmp/b")]
    Spec(Spec),
    /// Print what this runtime supports as the runtime-spec's features document
    Features,
    /// Show which hooks of a container ran, when, how long and with which result
    #[command(after_help = "Example: lxcri hooks --format json c1")]
    Hooks(Hooks),
    /// Print the completion script of a shell
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// A container's id and nothing else.
#[derive(Debug, Args)]
pub struct Id {
    /// Id of the container
    pub id: String,
}

/// What create and run have in common.
#[derive(Debug, Args)]
pub struct Create {
    /// Directory with config.json
    #[arg(short, long, value_name = "DIR", default_value = BUNDLE)]
    pub bundle: PathBuf,
    /// File to which the pid of the container process is written
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Socket that receives the master of the container's terminal
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// Keep the session keyring of the caller
    #[arg(long)]
    pub no_new_keyring: bool,
    /// Pass this many descriptors from 3 on to the container process, 249 at most
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=i64::from(PRESERVE_FDS_MAX)))]
    pub preserve_fds: u32,
    /// Directory with hook files, may be given several times; a later one overrides files of the same name
    #[arg(long, value_name = "DIR")]
    pub hooks_dir: Vec<PathBuf>,
    /// Id of the container
    pub id: String,
}

/// `run`
#[derive(Debug, Args)]
pub struct Run {
    /// What create takes, too
    #[command(flatten)]
    pub create: Create,
    /// Leave when the container has started
    #[arg(short, long)]
    pub detach: bool,
    /// Keep the container's state after its end
    #[arg(long)]
    pub keep: bool,
}

/// `kill`
#[derive(Debug, Args)]
pub struct Kill {
    /// Signal every process of the container
    #[arg(short, long)]
    pub all: bool,
    /// Id of the container
    pub id: String,
    /// Name or number of the signal
    #[arg(default_value = SIGNAL, allow_hyphen_values = false)]
    pub signal: String,
}

/// `delete`
#[derive(Debug, Args)]
pub struct Delete {
    /// Kill the container first if need be; no error when it does not exist
    #[arg(short, long)]
    pub force: bool,
    /// Id of the container
    pub id: String,
}

/// `list`
#[derive(Debug, Args)]
pub struct List {
    /// Format of the list
    #[arg(short, long, value_enum, default_value_t = TableFormat::Table)]
    pub format: TableFormat,
    /// Print the ids only
    #[arg(short, long)]
    pub quiet: bool,
}

/// `hooks`
#[derive(Debug, Args)]
pub struct Hooks {
    /// Format of the report
    #[arg(short, long, value_enum, default_value_t = TableFormat::Table)]
    pub format: TableFormat,
    /// Id of the container
    pub id: String,
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// A table
    Table,
    /// JSON
    Json,
}

/// `spec`
#[derive(Debug, Args)]
pub struct Spec {
    /// Directory that gets the config.json
    #[arg(short, long, value_name = "DIR", default_value = BUNDLE)]
    pub bundle: PathBuf,
}
