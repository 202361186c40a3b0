//! Telling an engine's daemon that its configuration has changed.

use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::program::output;
use crate::users::{is_trusted, processes};

/// Engines with many containers take their time to stop and start.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the daemon learns of the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Not at all.
    None,
    /// By SIGHUP, at which Docker and CRI-O read their runtimes again.
    Signal,
    /// By `systemctl restart`.
    Systemd,
}

impl Restart {
    /// Whether this engine can be told so.
    ///
    /// # Errors
    /// When it has no daemon, or one that does not read its configuration again.
    pub fn check(self, engine: Engine) -> Result<()> {
        if self == Restart::None {
            return Ok(());
        }
        let Some(daemon) = engine.daemon() else {
            return Err(Error::Usage(format!(
                "{engine} has no daemon: it reads its configuration at every command"
            )));
        };
        if self == Restart::Signal && !engine.reloads() {
            return Err(Error::Usage(format!(
                "{daemon} does not read its configuration again at SIGHUP, it would end: use --restart systemd"
            )));
        }
        Ok(())
    }

    /// Does it.
    ///
    /// # Errors
    /// When there is no such daemon, more than one, or systemd fails.
    pub fn run(self, engine: Engine) -> Result<()> {
        self.check(engine)?;
        match (self, engine.daemon()) {
            (Restart::Signal, Some(daemon)) => reload(daemon),
            (Restart::Systemd, Some(_)) => restart(engine),
            _ => Ok(()),
        }
    }
}

/// Sends SIGHUP to the one process of that name in our pid namespace; daemons in containers have their own.
fn reload(daemon: &str) -> Result<()> {
    let failed = |reason: &str| Error::Engine(format!("reload {daemon}: {reason}"));
    let found = daemons(daemon);
    let pid = match found.as_slice() {
        [] => return Err(failed("it is not running")),
        [pid] => *pid,
        _ => return Err(failed("more than one is running: send SIGHUP by hand")),
    };
    kill(Pid::from_raw(pid), Signal::SIGHUP)
        .map_err(|e| failed(&format!("kill({pid}, SIGHUP): {}", e.desc().to_lowercase())))
}

/// Options of a running dockerd that say the same as its file. It does not start with both.
pub fn conflicting_options(engine: Engine) -> Vec<String> {
    if engine != Engine::Docker {
        return Vec::new();
    }
    let mut found = Vec::new();
    for pid in daemons("dockerd") {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        for word in words.split(|&byte| byte == 0) {
            let word = String::from_utf8_lossy(word);
            let option = word.split('=').next().unwrap_or_default();
            if matches!(option, "--default-runtime" | "--add-runtime") {
                found.push(option.to_owned());
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The pids of the processes of that name that are root's or ours. A child that is about to execute something else still
/// has its parent's name.
fn daemons(name: &str) -> Vec<i32> {
    let ours = fs::read_link("/proc/self/ns/pid").ok();
    let found: Vec<(i32, i32)> = processes()
        .filter(|process| is_trusted(process))
        .filter(|process| fs::read_link(process.join("ns/pid")).ok() == ours)
        .filter_map(|process| {
            let stat = fs::read_to_string(process.join("stat")).ok()?;
            // The name stands in parentheses and may hold some itself.
            let (pid, rest) = stat.split_once(" (")?;
            let (comm, rest) = rest.rsplit_once(") ")?;
            let parent = rest.split(' ').nth(1)?.parse().ok()?;
            (comm == name).then_some((pid.parse().ok()?, parent))
        })
        .collect();
    let is_child = |parent: i32| found.iter().any(|(pid, _)| *pid == parent);
    let parents = found.iter().filter(|(_, parent)| !is_child(*parent));
    parents.map(|(pid, _)| *pid).collect()
}

fn restart(engine: Engine) -> Result<()> {
    let unit = format!("{engine}.service");
    output(
        Command::new("systemctl").arg("restart").arg(&unit),
        PATIENCE,
    )
    .map(drop)
    .map_err(|reason| Error::Engine(format!("systemctl restart {unit}: {reason}")))
}
