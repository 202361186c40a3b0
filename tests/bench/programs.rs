//! The programs that are compared, and their command lines.

use std::env;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use lxcri_tests::cgroups::{self, Layout};
use lxcri_tests::command::{Cmd, Outcome, find_program};
use nix::sched::{CloneFlags, setns};

/// A program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// This project's.
    Lxcri,
    /// LXC's own tool, with a normal container.
    Lxc,
    /// The same with nothing but namespaces and the root file system.
    LxcBare,
    /// runc.
    Runc,
    /// crun.
    Crun,
}

impl Kind {
    /// In the order in which they are run and printed.
    pub const ALL: [Kind; 5] = [
        Kind::Lxcri,
        Kind::Lxc,
        Kind::LxcBare,
        Kind::Runc,
        Kind::Crun,
    ];
    /// Those that run OCI bundles.
    pub const OCI: [Kind; 3] = [Kind::Lxcri, Kind::Runc, Kind::Crun];

    /// A word for ids and directories.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Lxcri => "lxcri",
            Kind::Lxc => "lxc",
            Kind::LxcBare => "lxcbare",
            Kind::Runc => "runc",
            Kind::Crun => "crun",
        }
    }
}

/// An installed program.
#[derive(Clone)]
pub struct Program {
    /// Which one.
    pub kind: Kind,
    /// Its file.
    pub file: PathBuf,
}

impl Program {
    /// Finds the programs: LXCRI, RUNC and CRUN may name other files than those in PATH.
    pub fn find() -> Result<Vec<Self>> {
        let named = |variable: &str, name: &str| {
            let wanted = env::var(variable).unwrap_or_default();
            find_program(if wanted.is_empty() { name } else { &wanted })
                .with_context(|| format!("{name} is not installed ({variable} may name it)"))
        };
        let files = [
            named("LXCRI", "lxcri")?,
            named("LXC_START", "lxc-start")?,
            named("LXC_START", "lxc-start")?,
            named("RUNC", "runc")?,
            named("CRUN", "crun")?,
        ];
        Ok(Kind::ALL
            .into_iter()
            .zip(files)
            .map(|(kind, file)| Program { kind, file })
            .collect())
    }

    /// The first line of what `--version` prints.
    pub fn version(&self) -> String {
        let outcome = Cmd::new(&self.file).arg("--version").run();
        let line = outcome.stdout.lines().next().unwrap_or("?").trim();
        match self.kind {
            Kind::Lxc | Kind::LxcBare => format!("LXC {line}"),
            _ => line.replace(" version ", " "),
        }
    }

    /// Its own directory below that of the state.
    pub fn root(&self, state: &Path) -> PathBuf {
        state.join(self.kind.word())
    }

    /// The arguments that come before a command of an OCI runtime.
    pub fn global(&self, state: &Path) -> Vec<String> {
        vec![text(&self.file), "--root".into(), text(&self.root(state))]
    }

    /// The whole life of a container: of a bundle, or of an LXC container that lies in the state directory.
    pub fn life(&self, state: &Path, bundle: &Path, id: &str) -> Vec<String> {
        match self.kind {
            Kind::Lxc | Kind::LxcBare => vec![
                text(&self.file),
                "-F".into(),
                "-P".into(),
                text(&self.root(state)),
                "-n".into(),
                id.into(),
            ],
            _ => {
                let mut argv = self.global(state);
                argv.extend(["run".into(), "--bundle".into(), text(bundle), id.into()]);
                argv
            }
        }
    }
}

/// A mount namespace with its view of the cgroups. Programs are run in it by going there and back outside of what is timed.
#[derive(Clone)]
pub struct View {
    name: &'static str,
    layout: Layout,
    namespace: Option<Arc<OwnedFd>>,
}

impl View {
    /// The machine as it is.
    pub fn host() -> Result<Self> {
        let layout = Layout::of_host();
        let name = match layout {
            Layout::V1 => "v1 cgroups",
            Layout::V2 => "v2 cgroups",
            Layout::Hybrid => "hybrid cgroups",
            Layout::None => bail!("no cgroup file system is mounted at /sys/fs/cgroup"),
        };
        Ok(View {
            name,
            layout,
            namespace: None,
        })
    }

    /// A namespace in which a hybrid machine looks like `layout`.
    pub fn of(layout: Layout) -> Result<Self> {
        let namespace = cgroups::view(layout).context("cannot hide part of the cgroups")?;
        Ok(View {
            name: if layout == Layout::V2 {
                "v2 view"
            } else {
                "v1 view"
            },
            layout,
            namespace: Some(namespace),
        })
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The cgroups that programs find in it.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Whether it is not the machine as it is.
    pub fn is_private(&self) -> bool {
        self.namespace.is_some()
    }

    /// Does something in this namespace; `home` is the one to come back to.
    pub fn inside<T>(&self, home: &OwnedFd, action: impl FnOnce() -> T) -> Result<T> {
        let enter = |namespace: &OwnedFd| {
            setns(namespace, CloneFlags::CLONE_NEWNS).context("setns(CLONE_NEWNS)")
        };
        let Some(namespace) = &self.namespace else {
            return Ok(action());
        };
        enter(namespace)?;
        let result = action();
        enter(home)?;
        Ok(result)
    }

    /// Runs a command whose output matters and whose time does not.
    pub fn run(&self, argv: &[String]) -> Outcome {
        Cmd::new(&argv[0])
            .args(&argv[1..])
            .view(self.namespace.clone())
            .run()
    }
}

/// Why a command failed: the last line it printed.
pub fn reason(outcome: &Outcome) -> String {
    let line = outcome.stderr.trim().lines().last().unwrap_or_default();
    match line {
        "" => outcome.brief(),
        line => line.trim().to_string(),
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
