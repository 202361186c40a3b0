//! What every section needs: the programs, a place for their state, and the timed run of one command.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lxcri_tests::cgroups::Layout;
use lxcri_tests::scratch::Scratch;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::images::Images;
use crate::programs::{Kind, Program, View, reason};
use crate::sys::{self, Command};

/// No run takes longer than this, or it is killed and the benchmark ends.
const DEADLINE: Duration = Duration::from_secs(20);

/// The set-up of a run. Dropping it removes everything.
pub struct Bench {
    /// Container ids, and the sweep at the end.
    pub scratch: Scratch,
    /// The programs.
    pub programs: Vec<Program>,
    /// What is run.
    pub images: Images,
    /// Below it every program has its `--root` or `-P`.
    pub state: PathBuf,
    home: OwnedFd,
    null: File,
}

impl Bench {
    /// Moves to a mount namespace of its own and mounts a tmpfs for state directories and images.
    pub fn new(tiny: &Path) -> Result<Self> {
        let programs = Program::find()?;
        // Whatever happens, the mounts end with this process.
        unshare(CloneFlags::CLONE_NEWNS).context("unshare(CLONE_NEWNS)")?;
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
            .context("mount(/, MS_PRIVATE)")?;
        let scratch = Scratch::new();
        let images = scratch.mkdir("images");
        let state = scratch.mkdir("state");
        tmpfs(&images, MsFlags::empty())?;
        // As Debian mounts /run.
        let as_run = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        tmpfs(&state, as_run)?;
        // LXC keeps its locks here, whatever the state directory is.
        if fs::create_dir_all("/run/lxc").is_ok() {
            tmpfs(Path::new("/run/lxc"), as_run)?;
        }
        Ok(Bench {
            images: Images::new(images, tiny)?,
            state,
            scratch,
            programs,
            home: File::open("/proc/self/ns/mnt")
                .context("open(/proc/self/ns/mnt)")?
                .into(),
            null: File::options()
                .read(true)
                .write(true)
                .open("/dev/null")
                .context("open(/dev/null)")?,
        })
    }

    /// A program.
    pub fn program(&self, kind: Kind) -> Result<&Program> {
        let mut all = self.programs.iter();
        all.find(|p| p.kind == kind).context("no such program")
    }

    /// A command that runs `args` as a container's whole life in this view; its bundle or LXC container is made here.
    pub fn life(
        &self,
        program: &Program,
        view: &View,
        name: &str,
        args: &[&str],
    ) -> Result<Vec<String>> {
        self.life_with(program, view, name, args, |_| {})
    }

    /// The same with a change to config.json.
    pub fn life_with(
        &self,
        program: &Program,
        view: &View,
        name: &str,
        args: &[&str],
        change: impl FnOnce(&mut serde_json::Value),
    ) -> Result<Vec<String>> {
        let id = self.scratch.id(&format!("{}-{name}", program.kind.word()));
        let mut bundle = PathBuf::new();
        match program.kind {
            Kind::Lxc | Kind::LxcBare => {
                let bare = program.kind == Kind::LxcBare;
                self.images
                    .lxc(&program.root(&self.state), &id, &args.join(" "), bare)?;
            }
            _ => bundle = self.images.bundle(&id, args, view.layout(), change)?,
        }
        Ok(program.life(&self.state, &bundle, &id))
    }

    /// Runs a container that prints "ran", to know that the program does its work here. The error is why it does not.
    pub fn try_out(&self, program: &Program, view: &View) -> Result<Result<(), String>> {
        let life = self.life(program, view, "try", &["/bin/true", "write"])?;
        let outcome = view.run(&life);
        Ok(match outcome.ok() && outcome.stdout == "ran\n" {
            true => Ok(()),
            false if outcome.ok() => Err(format!("printed {:?} and not \"ran\"", outcome.stdout)),
            false => Err(reason(&outcome)),
        })
    }

    /// The view to measure a program in: `view`, or for a program that refuses the hybrid layout the one that looks like v1.
    /// The text says what it refused.
    pub fn view_for(
        &self,
        program: &Program,
        view: &View,
    ) -> Result<(Option<View>, Option<String>)> {
        let Err(refusal) = self.try_out(program, view)? else {
            return Ok((Some(view.clone()), None));
        };
        let may_hide = !view.is_private() && Layout::of_host() == Layout::Hybrid;
        if program.kind == Kind::Crun && may_hide {
            let v1 = View::of(Layout::V1)?;
            if self.try_out(program, &v1)?.is_ok() {
                return Ok((Some(v1), Some(refusal)));
            }
        }
        Ok((None, Some(refusal)))
    }

    /// [`Bench::time`] of one program among others: when another than lxcri fails, its row says so and the rest goes on.
    pub fn time_or_drop(
        &self,
        kind: Kind,
        command: &Command,
        view: &View,
        refusal: &mut Option<String>,
    ) -> Result<Option<Duration>> {
        match self.time(command, view) {
            Ok(took) => Ok(Some(took)),
            Err(error) if kind == Kind::Lxcri || sys::interrupted() => Err(error),
            Err(error) => {
                *refusal = Some(format!("{error:#}"));
                Ok(None)
            }
        }
    }

    /// Runs a command in a view, and returns what it took from before the spawn to after the wait.
    pub fn time(&self, command: &Command, view: &View) -> Result<Duration> {
        let (took, status) = self
            .timed(command, view)
            .with_context(|| format!("{command}, in {}", view.name()))?;
        ensure!(
            status == 0,
            "{command}: exit status {status} in {}",
            view.name()
        );
        Ok(took)
    }

    fn timed(&self, command: &Command, view: &View) -> Result<(Duration, i32)> {
        let time = || -> io::Result<_> { command.time(&self.null, DEADLINE) };
        Ok(view.inside(&self.home, time)??)
    }
}

fn tmpfs(path: &Path, flags: MsFlags) -> Result<()> {
    mount(
        Some("tmpfs"),
        path,
        Some("tmpfs"),
        flags,
        Some("mode=755,size=64m"),
    )
    .with_context(|| format!("mount({}, tmpfs)", path.display()))
}
