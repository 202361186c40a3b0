//! A watcher under test.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use lxcri_tests::command::{Cmd, Running, wait_until};
use lxcri_tests::leaks;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long anything may take on a loaded machine before it counts as hanging.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program that is tested.
pub fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_lxcri-watch").into()
}

/// A process of a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Supervisor,
    Responder,
    Worker,
}

/// A watcher that runs. Dropping it ends it.
pub struct Watcher(Running);

impl Watcher {
    /// Starts one with these options and waits until its marks are set.
    pub fn start<A: AsRef<std::ffi::OsStr>>(options: impl IntoIterator<Item = A>) -> Watcher {
        Watcher::of(Cmd::new(program()).args(options))
    }

    /// The same with a command that ends in the watcher.
    pub fn of(command: Cmd) -> Watcher {
        let watcher = Watcher(command.deadline(Duration::from_secs(400)).spawn());
        assert!(
            wait_until(PATIENCE, || watcher.0.stdout_so_far().contains("ready")),
            "not ready"
        );
        watcher
    }

    /// The pid of one of its processes; waits for it after a restart.
    pub fn pid(&self, role: Role) -> i32 {
        let name = match role {
            Role::Supervisor => return self.0.pid(),
            Role::Responder => "lxcri-watch-ans",
            Role::Worker => "lxcri-watch-wrk",
        };
        let mut found = None;
        wait_until(PATIENCE, || {
            found = leaks::children(self.0.pid()).into_iter().find(|pid| {
                let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
                comm.is_ok_and(|comm| comm.trim() == name)
            });
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no {role:?}"))
    }

    /// Sends a signal to one of its processes.
    pub fn signal(&self, role: Role, signal: Signal) {
        kill(Pid::from_raw(self.pid(role)), signal).unwrap_or_else(|e| panic!("{role:?}: {e}"));
    }

    /// What it has printed.
    pub fn output(&self) -> String {
        self.0.stdout_so_far()
    }

    /// What it has printed as errors.
    pub fn errors(&self) -> String {
        self.0.stderr_so_far()
    }

    /// The events of a kind so far.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let text = self.output();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let all = whole.lines().map(|line| {
            serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{line}: {e}"))
        });
        all.filter(|event| event["event"] == kind).collect()
    }

    /// The events of a kind about a container.
    pub fn events_of(&self, kind: &str, id: &str) -> Vec<Value> {
        let mut events = self.events(kind);
        events.retain(|event| event["id"] == id);
        events
    }

    /// Waits for an event about a container.
    #[track_caller]
    pub fn await_event(&self, kind: &str, id: &str) -> Value {
        let mut events = Vec::new();
        wait_until(PATIENCE, || {
            events = self.events_of(kind, id);
            !events.is_empty()
        });
        match events.first() {
            Some(event) => event.clone(),
            None => panic!("no {kind} of {id}; so far:\n{}", self.output()),
        }
    }

    /// Ends it as systemd would, and returns what it printed as errors.
    #[track_caller]
    pub fn end(self) -> String {
        self.0.signal(Signal::SIGTERM);
        self.0.wait().success().stderr
    }
}

/// The number of descriptors, threads and fanotify marks of a process.
pub fn holdings(pid: i32) -> (usize, usize, usize) {
    let count = |name: &str| fs::read_dir(format!("/proc/{pid}/{name}")).map_or(0, Iterator::count);
    (count("fd"), count("task"), marks(pid).len())
}

/// The lines of /proc/PID/fdinfo about fanotify: flags of the group and its marks.
pub fn fanotify(pid: i32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo"))
        .into_iter()
        .flatten()
        .flatten();
    let texts = entries.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let lines: Vec<String> = texts
        .flat_map(|t| t.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    lines
        .into_iter()
        .filter(|line| line.starts_with("fanotify"))
        .collect()
}

/// The marks of a process.
pub fn marks(pid: i32) -> Vec<String> {
    let mut lines = fanotify(pid);
    lines.retain(|line| !line.starts_with("fanotify flags"));
    lines
}
