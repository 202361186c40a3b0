//! From a held execution to an answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;

use crate::adapter::Adapter;
use crate::bundle::{Config, ConfigError};
use crate::file_id::FileId;
use crate::process::{self, Identity};
use crate::program::ProgramError;
use crate::request::{Request, Verb};
use crate::say::say;
use crate::view::View;
use crate::worker::expect::{Executor, Expected};
use crate::worker::schedule::LOOK_AGAIN;
use crate::worker::watched::{Found, How};
use crate::worker::{Later, Worker};
use crate::{argv, lxc, program};

/// Why a container's program is not expected.
#[derive(Debug, thiserror::Error)]
enum Unexpected {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error("pidfd_open: {0}")]
    Caller(Errno),
}

/// Whoever has called a runtime.
struct Caller {
    process: Identity,
    user: u32,
    view: View,
    directory: PathBuf,
    namespace: FileId,
}

impl Caller {
    fn of(tid: i32) -> Result<Caller, Errno> {
        let status = process::status(tid).ok_or(Errno::ESRCH)?;
        let view = View::of(tid)?;
        let directory = process::directory(tid).ok_or(Errno::ESRCH)?;
        Ok(Caller {
            process: Identity::of(status.process).ok_or(Errno::ESRCH)?,
            user: status.user,
            directory: view.inside(&directory),
            view,
            namespace: process::link_id(tid, "ns/mnt")?,
        })
    }

    fn place(&self) -> lxc::Place<'_> {
        lxc::Place {
            view: &self.view,
            directory: &self.directory,
        }
    }

    /// The directory that a path means to the caller, by default the one where it is.
    fn absolute(&self, path: Option<&PathBuf>) -> PathBuf {
        let path = path.map_or(Path::new("."), PathBuf::as_path);
        self.view.canonical(&self.directory.join(path))
    }
}

impl Worker {
    /// Whether a held execution may go on.
    pub fn judge(self: &Arc<Self>, tid: i32, file: FileId) -> bool {
        let allow = match self.runtimes.adapter_of(file) {
            Some(adapter) => self.runtime_called(adapter, tid),
            None => true,
        };
        allow && (!self.expectations.awaits(file) || self.program_executed(tid, file))
    }

    fn runtime_called(self: &Arc<Self>, adapter: &'static Adapter, tid: i32) -> bool {
        let argv = match argv::of_held(tid) {
            Ok(argv) => argv,
            Err(error) => {
                // A task that was killed meanwhile starts nothing.
                if process::status(tid).is_some() {
                    say(format!("{}: {error}; not held", adapter.name));
                    self.later(Later::Scan, LOOK_AGAIN);
                }
                return true;
            }
        };
        let Some(request) = adapter.request(&argv) else {
            return true;
        };
        let caller = match Caller::of(tid) {
            Ok(caller) => caller,
            Err(errno) => {
                say(format!(
                    "caller of {} {}: {errno}",
                    adapter.name, request.id
                ));
                return true;
            }
        };
        let root = match &request.root {
            Some(root) => caller.absolute(Some(root)),
            None => adapter.default_root(&caller.view, caller.user),
        };
        self.later(Later::look(adapter, &root, &request.id), LOOK_AGAIN);
        match request.verb {
            Verb::Create => true,
            Verb::Start => self.start(adapter, &caller, &root, &request),
            Verb::Run => {
                let Err(reason) = self.prepare(adapter, caller, root, &request) else {
                    return true;
                };
                // Its program might be held otherwise, and its hooks might fail.
                let deny = matches!(reason, Unexpected::Config(_)) && self.settings.may_deny();
                let follows = if deny { "denied" } else { "not held" };
                say(format!(
                    "{} {}: {reason}; {follows}",
                    adapter.name, request.id
                ));
                !deny
            }
        }
    }

    /// `start`: the container exists and is recorded.
    fn start(
        self: &Arc<Self>,
        adapter: &'static Adapter,
        caller: &Caller,
        root: &Path,
        request: &Request,
    ) -> bool {
        let recorded = match adapter.recorded(&caller.view, root, &request.id) {
            Ok(recorded) => recorded,
            Err(error) => {
                say(format!(
                    "{} start {}: {error}; not held",
                    adapter.name, request.id
                ));
                return true;
            }
        };
        // A second start fails by itself.
        if recorded.started {
            return true;
        }
        let kept = adapter.kept_config(root, &request.id);
        let file = kept.unwrap_or_else(|| recorded.bundle.join("config.json"));
        self.take_up(Found {
            runtime: adapter.name.to_owned(),
            process: recorded.process,
            id: request.id.clone(),
            bundle: recorded.bundle,
            config: Config::read(&caller.view, &file),
            how: How::Gated,
        })
    }

    /// `run`: the container's program is marked.
    fn prepare(
        self: &Arc<Self>,
        adapter: &'static Adapter,
        caller: Caller,
        root: PathBuf,
        request: &Request,
    ) -> Result<(), Unexpected> {
        let bundle = if adapter.is_lxc() {
            root.join(&request.id)
        } else {
            caller.absolute(request.bundle.as_ref())
        };
        let config = match adapter.is_lxc() {
            true if lxc::is_lxcris(&caller.view, &bundle) => return Ok(()),
            true if lxc::starts_nothing(&caller.view, request, &bundle) => return Ok(()),
            true => lxc::read(&caller.place(), request, &bundle),
            false => {
                let file = match &request.config {
                    Some(file) => caller.directory.join(file),
                    None => bundle.join("config.json"),
                };
                Config::read(&caller.view, &file)
            }
        };
        let config = config?;
        let program = program::find(&caller.view, &bundle, &config)?;
        let pidfd = caller.process.open().map_err(Unexpected::Caller)?;
        let expected = Expected {
            adapter,
            root,
            id: request.id.clone(),
            bundle,
            config,
            maker: caller.process,
            namespace: caller.namespace,
        };
        let number = self.expectations.add(expected, program, &self.peer);
        self.watch_maker(pidfd, number);
        Ok(())
    }

    /// A marked program is executed: by the container that it is expected of, or by anybody else.
    fn program_executed(self: &Arc<Self>, tid: i32, file: FileId) -> bool {
        let Some(executor) = Executor::of(tid) else {
            return true;
        };
        // Until the container is known: nobody may take it for unseen.
        let Some((expected, _taken)) = self.expectations.take(file, &executor, &self.peer) else {
            return true;
        };
        let Some(process) = Identity::of(executor.process()) else {
            return true;
        };
        self.take_up(Found {
            runtime: expected.adapter.name.to_owned(),
            process,
            id: expected.id,
            bundle: expected.bundle,
            config: Ok(expected.config),
            how: How::Gated,
        })
    }

    /// When all of a container's hooks must have ended.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.settings.timeout
    }
}
