//! The command line as clap structures, and the settings that it means.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use hook_model::{Hook, check_executable};
use nix::sys::stat::{FileStat, SFlag, fstat};

use crate::adapter::{ADAPTERS, Adapter};
use crate::settings::{Format, OnFailure, Root, Runtime, Settings, Wanted, usual_roots};

/// Where a program without a slash is looked for.
const DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Notice containers that nobody configured start and end, and run hooks for them.
#[derive(Debug, Parser)]
#[command(
    name = "lxcri-watch",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    after_help = "\
Example: a program sees each container before its own program runs, and after its end
  lxcri-watch --prestart '/usr/local/bin/net-up --log' --poststop /usr/local/bin/net-down

Exit status: 0 after SIGTERM, SIGINT or SIGHUP, 1 failure, 2 wrong usage."
)]
pub struct Cli {
    /// Anything but watching.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to watch.
    #[command(flatten)]
    pub watch: Watch,
}

/// Commands besides watching.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the completion script of a shell
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What to watch and what to do.
#[derive(Debug, clap::Args)]
pub struct Watch {
    /// Events to print besides `ready`
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "EVENT",
        default_value = "added,removed"
    )]
    pub events: Vec<EventName>,
    /// Hook to run before a container's program: path and arguments, quoted as in a shell; may be repeated
    #[arg(long, value_name = "CMD")]
    pub prestart: Vec<String>,
    /// Hook to run after a container's end; may be repeated
    #[arg(long, value_name = "CMD")]
    pub poststop: Vec<String>,
    /// Directory of declarative hooks; may be repeated, later ones override earlier ones by file name
    #[arg(long, value_name = "DIR", value_parser = absolute)]
    pub hooks_dir: Vec<PathBuf>,
    /// Variable in the environment of the hooks of --prestart and --poststop; may be repeated [default: a PATH]
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Working directory of the hooks [default: the bundle]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// How long the hooks before a program may take together, and those after its end
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout)]
    pub timeout: Duration,
    /// What becomes of a start whose hooks fail
    #[arg(long, value_enum, value_name = "WHAT", default_value = "allow")]
    pub on_failure: Failure,
    /// Runtime to watch, with the name of its kind where the file's own does not begin with it; may be repeated
    /// [default: runc, crun, youki, lxcri and lxc-start at their usual places]
    #[arg(long, value_name = "[KIND=]PATH", value_parser = runtime)]
    pub runtime: Vec<Runtime>,
    /// Directory in which a runtime records its containers; may be repeated [default: the usual ones]
    #[arg(long, value_name = "KIND=DIR", value_parser = root)]
    pub root: Vec<Root>,
    /// Form of the events
    #[arg(long, value_enum, default_value = "json")]
    pub format: FormatName,
    /// Write an event about the node to Kubernetes for each new container
    #[cfg(feature = "kubernetes")]
    #[arg(long, requires = "node")]
    pub kubernetes_events: bool,
    /// Name of this machine in Kubernetes
    #[cfg(feature = "kubernetes")]
    #[arg(long, value_name = "NAME", requires = "kubernetes_events")]
    pub node: Option<String>,
    /// Address of Kubernetes' API server [default: that of the pod]
    #[cfg(feature = "kubernetes")]
    #[arg(long, value_name = "URL", requires = "kubernetes_events")]
    pub kubernetes_server: Option<String>,
    /// Directory with token and ca.crt for it
    #[cfg(feature = "kubernetes")]
    #[arg(long, value_name = "DIR", requires = "kubernetes_events", default_value = crate::kubernetes::CREDENTIALS)]
    pub kubernetes_credentials: PathBuf,
    /// Take orders from stdin, a JSON object a line, and end at its end
    #[arg(long)]
    pub orders: bool,
    /// Hold each start until an order lets it go, at most for the time of --timeout
    #[arg(long, requires = "orders")]
    pub hold: bool,
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EventName {
    /// A container starts, or was found running
    #[value(alias = "add")]
    Added,
    /// It has ended
    #[value(alias = "remove")]
    Removed,
    /// Its configuration
    Config,
}

/// What becomes of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Failure {
    /// It goes on
    Allow,
    /// It fails
    Deny,
}

/// The form of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    /// A line for people
    Text,
    /// A JSON object a line
    Json,
}

fn timeout(text: &str) -> Result<Duration> {
    let time = humantime::parse_duration(text)?;
    let longest = Duration::from_secs(3600);
    ensure!(
        !time.is_zero() && time <= longest,
        "not between 1ms and 1h: so long may a start be held"
    );
    Ok(time)
}

fn runtime(text: &str) -> Result<Runtime> {
    let (adapter, path) = kind_and_path(text)?;
    let adapter = match adapter.or_else(|| Adapter::for_program(&path)) {
        Some(adapter) => adapter,
        None => bail!(
            "cannot tell what it is: write KIND=PATH with one of {}",
            names()
        ),
    };
    Ok(Runtime { adapter, path })
}

fn root(text: &str) -> Result<Root> {
    let (adapter, path) = kind_and_path(text)?;
    let adapter = adapter.with_context(|| format!("write KIND=DIR with one of {}", names()))?;
    Ok(Root { adapter, path })
}

fn kind_and_path(text: &str) -> Result<(Option<&'static Adapter>, PathBuf)> {
    let split = text
        .split_once('=')
        .and_then(|(kind, path)| Some((Adapter::named(kind)?, path)));
    let (adapter, path) = match split {
        Some((adapter, path)) => (Some(adapter), path),
        None => (None, text),
    };
    Ok((adapter, absolute(path)?))
}

fn absolute(path: &str) -> Result<PathBuf> {
    ensure!(path.starts_with('/'), "not an absolute path");
    Ok(path.into())
}

fn names() -> String {
    ADAPTERS.each_ref().map(|adapter| adapter.name).join(", ")
}

impl Watch {
    /// The settings that these options mean.
    pub fn settings(self) -> Result<Settings> {
        let mut settings = Settings::new();
        #[cfg(feature = "kubernetes")]
        {
            settings.kubernetes = self.kubernetes()?;
        }
        if !self.runtime.is_empty() {
            let adapters: Vec<_> = self.runtime.iter().map(|r| r.adapter).collect();
            let used = ADAPTERS.iter().filter(|adapter| adapters.contains(adapter));
            settings.roots = used.flat_map(usual_roots).collect();
            settings.runtimes = self.runtime;
        }
        if !self.root.is_empty() {
            settings.roots = self.root;
        }
        for entry in &self.env {
            let named = entry
                .split_once('=')
                .is_some_and(|(name, _)| !name.is_empty());
            ensure!(named, "--env {entry:?}: not NAME=VALUE");
        }
        if let Some(directory) = &self.dir {
            ensure!(
                directory.is_dir(),
                "--dir {}: no directory",
                directory.display()
            );
        }
        let env = (!self.env.is_empty()).then_some(self.env);
        settings.prestart = hooks("--prestart", &self.prestart, env.as_ref())?;
        settings.poststop = hooks("--poststop", &self.poststop, env.as_ref())?;
        settings.hooks_dirs = self.hooks_dir;
        settings.directory = self.dir.map(std::path::absolute).transpose()?;
        settings.timeout = self.timeout;
        settings.on_failure = match self.on_failure {
            Failure::Allow => OnFailure::Allow,
            Failure::Deny => OnFailure::Deny,
        };
        let wanted = |name| self.events.contains(&name);
        settings.events = Wanted {
            added: wanted(EventName::Added),
            removed: wanted(EventName::Removed),
            config: wanted(EventName::Config),
        };
        if self.orders && !can_be_waited_for(&std::io::stdin()) {
            bail!("--orders: stdin must be a pipe, a socket or a terminal");
        }
        settings.orders = self.orders;
        settings.hold = self.hold;
        settings.format = match self.format {
            FormatName::Text => Format::Text,
            FormatName::Json => Format::Json,
        };
        Ok(settings)
    }
}

#[cfg(feature = "kubernetes")]
impl Watch {
    fn kubernetes(&self) -> Result<Option<crate::settings::Api>> {
        let Some(node) = self.node.clone().filter(|_| self.kubernetes_events) else {
            return Ok(None);
        };
        let server = match &self.kubernetes_server {
            Some(server) => server.trim_end_matches('/').to_owned(),
            None => crate::kubernetes::server_of_pod()
                .context("--kubernetes-events: not in a pod, so --kubernetes-server is needed")?,
        };
        let (http, https) = (
            server.starts_with("http://"),
            server.starts_with("https://"),
        );
        ensure!(
            http || https,
            "--kubernetes-server {server}: no http or https URL"
        );
        Ok(Some(crate::settings::Api {
            server,
            credentials: self.kubernetes_credentials.clone(),
            node,
        }))
    }
}

/// Hooks out of command lines, which no shell sees.
fn hooks(option: &str, commands: &[String], env: Option<&Vec<String>>) -> Result<Vec<Hook>> {
    let hook = |command: &String| {
        let words = shell_words::split(command)?;
        let program = words.first().context("no program")?;
        let mut hook = Hook::new(find(program).context("no such program")?);
        check_executable(&hook)?;
        hook.args = Some(words);
        hook.env = env.cloned();
        let problems = hook.problems("");
        if let Some(problem) = problems.first() {
            bail!("{problem}");
        }
        Ok(hook)
    };
    commands
        .iter()
        .map(|command| hook(command).with_context(|| format!("{option} {command:?}")))
        .collect()
}

/// epoll takes no regular file and not every device.
fn can_be_waited_for(file: &(impl AsFd + IsTerminal)) -> bool {
    let kind = |stat: FileStat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    file.is_terminal()
        || fstat(file)
            .map(kind)
            .is_ok_and(|kind| kind == SFlag::S_IFIFO || kind == SFlag::S_IFSOCK)
}

fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return std::path::absolute(program).ok();
    }
    let candidates = DIRECTORIES.map(|directory| Path::new(directory).join(program));
    candidates.into_iter().find(|file| file.is_file())
}
