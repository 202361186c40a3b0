//! The program under test as a child, with hook files of its own.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nri_plugin::wire::messages::{Container, CreateContainerRequest, Hooks};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::engine::{PATIENCE, Peer};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lxcri-nri");

/// A directory for the socket, hook files and the log.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Place {
        Place::below(&std::env::temp_dir())
    }

    pub fn below(parent: &Path) -> Place {
        let place = Place(TempDir::with_prefix_in("lxcri-nri-", parent).unwrap());
        fs::create_dir(place.join("hooks.d")).unwrap();
        place
    }

    pub fn join(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub fn socket(&self) -> PathBuf {
        self.join("nri.sock")
    }

    /// Replaces a file of hooks.d as people are told to: written beside, then renamed.
    pub fn hook_file(&self, name: &str, text: impl ToString) {
        let new = self.join(&format!("hooks.d/.{name}.new"));
        fs::write(&new, text.to_string()).unwrap();
        fs::rename(new, self.join(&format!("hooks.d/{name}"))).unwrap();
    }

    /// A hook file for all containers.
    pub fn hook(&self, name: &str, stage: &str, hook: Value) {
        self.hook_file(name, always(stage, hook));
    }

    /// An executable file.
    pub fn executable(&self, name: &str, content: &str) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.join("log")).unwrap_or_default()
    }

    /// Log lines that contain `text`.
    pub fn logged(&self, text: &str) -> Vec<String> {
        self.log()
            .lines()
            .filter(|line| line.contains(text))
            .map(str::to_owned)
            .collect()
    }

    /// Waits for lines that contain `text`, and fails when there are more than `count`. Lines are written a moment after what
    /// they tell of; "no more" is certain only after the plugin has ended.
    pub fn wait_logged(&self, text: &str, count: usize) -> Vec<String> {
        let explained = || format!("{text:?} is not {count} times in the log:\n{}", self.log());
        wait_until(|| self.logged(text).len() >= count, explained);
        let lines = self.logged(text);
        assert_eq!(lines.len(), count, "{}", explained());
        lines
    }

    /// Starts an external plugin.
    pub fn plugin(&self, arguments: &[&str]) -> Plugin {
        let mut command = Command::new(PROGRAM);
        command.arg("--socket").arg(self.socket());
        command.arg("--hooks-dir").arg(self.join("hooks.d"));
        if !arguments.contains(&"--log") {
            command.arg("--log").arg(self.join("log"));
        }
        command.args(arguments).stdin(Stdio::null());
        Plugin::spawn(&mut command, &self.join("stderr"))
    }
}

pub fn always(stage: &str, hook: Value) -> Value {
    json!({"version": "1.0.0", "hook": hook, "when": {"always": true}, "stages": [stage]})
}

/// A running plugin; killed when dropped.
pub struct Plugin {
    child: Child,
    stderr: PathBuf,
}

impl Plugin {
    pub fn spawn(command: &mut Command, stderr: &Path) -> Plugin {
        let file = File::create(stderr).unwrap();
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Plugin {
            child,
            stderr: stderr.to_owned(),
        }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Ends it, after which its log is complete.
    pub fn stop(mut self) {
        self.terminate();
        assert_eq!(self.ended().code(), Some(0), "{}", self.stderr());
    }

    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until(
            || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            },
            || "the plugin does not end".to_owned(),
        );
        status.unwrap()
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn wait_until(mut condition: impl FnMut() -> bool, otherwise: impl Fn() -> String) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "{}", otherwise());
        sleep(Duration::from_millis(5));
    }
}

/// A request about a container of this id, with a command and nothing else.
pub fn container(id: &str) -> CreateContainerRequest {
    CreateContainerRequest {
        pod: None,
        container: Some(Container {
            id: id.to_owned(),
            args: vec!["/bin/app".to_owned()],
            ..Container::default()
        }),
    }
}

/// The hooks that the container of a request gets.
pub fn hooks_of(peer: &mut Peer, request: &CreateContainerRequest) -> Hooks {
    let response = peer.create(request).unwrap();
    response
        .adjust
        .and_then(|adjust| adjust.hooks)
        .unwrap_or_default()
}

/// Paths of the createRuntime hooks that a plain container gets.
pub fn paths(peer: &mut Peer) -> Vec<String> {
    let hooks = hooks_of(peer, &container("plain"));
    hooks
        .create_runtime
        .into_iter()
        .map(|hook| hook.path)
        .collect()
}
