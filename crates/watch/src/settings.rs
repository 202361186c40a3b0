//! What to watch and what to do, decided once from the command line or by the user of the library.

use std::path::PathBuf;
use std::time::Duration;

use hook_model::Hook;

use crate::adapter::{ADAPTERS, Adapter};

/// How long the responder waits beyond the hooks' own time before it lets go by itself.
const GRACE: Duration = Duration::from_millis(500);

/// What becomes of a start whose prestart hooks fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It goes on.
    #[default]
    Allow,
    /// The runtime, or the container's program, is not executed: execve fails with EPERM.
    Deny,
}

/// The form of the events on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A line for people.
    Text,
    /// A JSON object a line.
    #[default]
    Json,
}

/// Which events are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Containers that start or are found.
    pub added: bool,
    /// Containers that end.
    pub removed: bool,
    /// Their configurations.
    pub config: bool,
}

/// A file that is executed to start containers.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// How it is understood.
    pub adapter: &'static Adapter,
    /// Where it lies, or will lie.
    pub path: PathBuf,
}

/// A directory in which a runtime records its containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Whose.
    pub adapter: &'static Adapter,
    /// Where.
    pub path: PathBuf,
}

impl PartialEq for Adapter {
    fn eq(&self, other: &Adapter) -> bool {
        self.name == other.name
    }
}

impl Eq for Adapter {}

/// An API server, and who we are to it.
#[cfg(feature = "kubernetes")]
#[derive(Clone, Debug)]
pub struct Api {
    /// `https://HOST:PORT`, without a slash at the end.
    pub server: String,
    /// The directory with `token` and `ca.crt`.
    pub credentials: PathBuf,
    /// This node.
    pub node: String,
}

/// Everything.
#[derive(Debug)]
pub struct Settings {
    /// The programs to watch.
    pub runtimes: Vec<Runtime>,
    /// Where containers are looked for that have started unseen.
    pub roots: Vec<Root>,
    /// How long all prestart hooks of a container may take together, and all poststop hooks.
    pub timeout: Duration,
    /// What becomes of a start whose hooks fail.
    pub on_failure: OnFailure,
    /// Hooks of the command line that run before the program.
    pub prestart: Vec<Hook>,
    /// Hooks of the command line that run after the end.
    pub poststop: Vec<Hook>,
    /// Directories of declarative hooks.
    pub hooks_dirs: Vec<PathBuf>,
    /// Working directory of the hooks; the bundle if none is given.
    pub directory: Option<PathBuf>,
    /// Which events are printed.
    pub events: Wanted,
    /// How.
    pub format: Format,
    /// Where events about new containers go besides stdout.
    #[cfg(feature = "kubernetes")]
    pub kubernetes: Option<Api>,
    /// Whether orders come on stdin, whose end is ours.
    pub orders: bool,
    /// Whether a start is held until an order lets it go, or its time is over.
    pub hold: bool,
}

impl Settings {
    /// All known runtimes at their usual places, no hooks.
    pub fn new() -> Settings {
        let runtimes = ADAPTERS.iter().flat_map(|adapter| {
            adapter.programs.iter().map(move |path| Runtime {
                adapter,
                path: path.into(),
            })
        });
        let roots = ADAPTERS.iter().flat_map(usual_roots);
        Settings {
            runtimes: runtimes.collect(),
            roots: roots.collect(),
            timeout: Duration::from_secs(10),
            on_failure: OnFailure::default(),
            prestart: Vec::new(),
            poststop: Vec::new(),
            hooks_dirs: Vec::new(),
            directory: None,
            events: Wanted {
                added: true,
                removed: true,
                config: false,
            },
            format: Format::default(),
            #[cfg(feature = "kubernetes")]
            kubernetes: None,
            orders: false,
            hold: false,
        }
    }

    /// When the responder lets go by itself. The worker must be able to answer before.
    pub fn answer_within(&self) -> Duration {
        self.timeout + GRACE
    }

    /// Whether there is something that a start waits for and that may make it fail.
    pub fn may_deny(&self) -> bool {
        let awaits = self.hold || !self.prestart.is_empty() || !self.hooks_dirs.is_empty();
        awaits && self.on_failure == OnFailure::Deny
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::new()
    }
}

/// Where an adapter's runtime records containers.
pub fn usual_roots(adapter: &'static Adapter) -> impl Iterator<Item = Root> {
    adapter.roots.iter().map(move |path| Root {
        adapter,
        path: path.into(),
    })
}
