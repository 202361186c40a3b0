//! Runs the hooks of a container.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hook_exec::{Context, Record, run_hook, run_hook_at};
use hook_model::{Hook, Phase, State, Status};
use hooks_d::pin::PinError;
use hooks_d::{HookFiles, Live, LiveError, Selected, Sources, pin};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::process;
use crate::say::say;
use crate::settings::{OnFailure, Settings};
use crate::worker::roster::Container;

/// What the spec's version is where a configuration names none.
const OCI_VERSION: &str = "1.0.2";

/// The hooks of all containers.
pub struct Hooks {
    declared: Option<Live>,
    /// Whether no hook is to be started any more.
    ended: AtomicBool,
}

impl Hooks {
    /// The declarative hooks of these directories, besides those of the command line.
    pub fn new(settings: &Settings) -> Result<Hooks, LiveError> {
        let directories = settings.hooks_dirs.clone();
        if directories.is_empty() {
            return Ok(Hooks {
                declared: None,
                ended: AtomicBool::default(),
            });
        }
        let live = Live::start(Sources::from_dirs(directories), |files| report(files))?;
        report(&live.current());
        Ok(Hooks {
            declared: Some(live),
            ended: AtomicBool::default(),
        })
    }

    /// Kills the hooks that run, with what they have started in their process groups, and starts no more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        // We have no other children.
        for hook in process::own_children() {
            // ESRCH: it has ended meanwhile.
            let _ = killpg(Pid::from_raw(hook), Signal::SIGKILL);
        }
    }

    /// Runs what belongs before the program, until `deadline`. The result says whether the program may be executed.
    pub fn prestart(
        &self,
        settings: &Settings,
        container: &Container,
        readable: bool,
        deadline: Instant,
    ) -> bool {
        let status = if container.gated {
            Status::Created
        } else {
            Status::Running
        };
        let mut fine = true;
        let mut hooks = own(Phase::Prestart, &settings.prestart);
        if self.declared.is_some() {
            fine &= readable;
            let (declared, good) = self.declared(container, readable);
            fine &= good;
            for phase in [Phase::Prestart, Phase::CreateRuntime] {
                hooks.extend(declared.iter().filter(|s| s.phase == phase).cloned());
            }
        }
        fine &= self.run(settings, container, status, &hooks, deadline);
        fine || settings.on_failure == OnFailure::Allow
    }

    /// Runs what belongs after the end, until `deadline`.
    pub fn poststop(&self, settings: &Settings, container: &Container, deadline: Instant) {
        let mut hooks = own(Phase::Poststop, &settings.poststop);
        let (declared, _) = self.declared(container, true);
        hooks.extend(declared.into_iter().filter(|s| s.phase == Phase::Poststop));
        self.run(settings, container, Status::Stopped, &hooks, deadline);
    }

    /// The declarative hooks for a container, and whether all files are good.
    fn declared(&self, container: &Container, readable: bool) -> (Vec<Selected>, bool) {
        let Some(live) = self.declared.as_ref().filter(|_| readable) else {
            return (Vec::new(), true);
        };
        let files = live.current();
        let verdict = files.verdict();
        if let Err(broken) = &verdict {
            say(broken.to_string());
        }
        let conditions = hooks_d::Container {
            annotations: container.annotations.clone(),
            args: container.args.clone(),
            has_bind_mounts: container.has_bind_mounts,
        };
        (files.select(&conditions).hooks, verdict.is_ok())
    }

    /// Runs hooks in their order. False when one has failed; in poststop the others run all the same.
    fn run(
        &self,
        settings: &Settings,
        container: &Container,
        status: Status,
        hooks: &[Selected],
        deadline: Instant,
    ) -> bool {
        if hooks.is_empty() {
            return true;
        }
        let state = State {
            oci_version: match &*container.oci_version {
                "" => OCI_VERSION.to_owned(),
                version => version.to_owned(),
            },
            id: container.id.clone(),
            status,
            pid: Some(container.process.pid),
            bundle: container.bundle.clone(),
            annotations: container.annotations.clone(),
        };
        let state = match state.to_json() {
            Ok(state) => state,
            Err(e) => {
                say(format!("{}: state: {e}", container.id));
                return false;
            }
        };
        let mut context = Context::new(&state, directory(settings, container));
        context.die_with_caller = true;
        context.deadline = Some(deadline);
        let mut fine = true;
        for (index, selected) in (1..).zip(hooks) {
            if self.ended.load(Ordering::Relaxed) {
                return false;
            }
            let failure = match run_one(selected, index, &context) {
                Ok(record) => record.failure().map(|failure| failure.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(failure) = failure {
                say(format!("{}: {failure}", container.id));
                fine = false;
                if !selected.phase.continue_on_failure() {
                    break;
                }
            }
        }
        fine
    }
}

/// Hooks of the command line.
fn own(phase: Phase, hooks: &[Hook]) -> Vec<Selected> {
    let selected = hooks.iter().map(|hook| Selected {
        phase,
        hook: hook.clone(),
        file: hook.path.clone(),
        sha256: None,
    });
    selected.collect()
}

/// Runs a hook, if its executable is what was pinned.
fn run_one(selected: &Selected, index: u32, context: &Context<'_>) -> Result<Record, PinError> {
    let (hook, phase) = (&selected.hook, selected.phase);
    Ok(match pin::verify(selected)? {
        Some(file) => run_hook_at(file.as_fd(), hook, phase, index, context),
        None => run_hook(hook, phase, index, context),
    })
}

/// Says what is wrong with the files.
fn report(files: &HookFiles) {
    for problem in files.problems() {
        say(problem.to_string());
    }
}

/// The bundle may be gone after the end.
fn directory<'a>(settings: &'a Settings, container: &'a Container) -> &'a Path {
    let wanted = settings.directory.as_deref().unwrap_or(&container.bundle);
    if wanted.is_dir() {
        wanted
    } else {
        Path::new("/")
    }
}
