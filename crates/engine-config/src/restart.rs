//! Telling an engine's daemon that its configuration has changed.

use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::program::output;
use crate::users::processes;

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
    let ours = fs::read_link("/proc/self/ns/pid").ok();
    let mut found = processes().filter(|process| {
        fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == daemon)
            && fs::read_link(process.join("ns/pid")).ok() == ours
    });
    let failed = |reason: &str| Error::Engine(format!("reload {daemon}: {reason}"));
    let process = found.next().ok_or_else(|| failed("it is not running"))?;
    if found.next().is_some() {
        return Err(failed("more than one is running: send SIGHUP by hand"));
    }
    let pid = process.file_name().and_then(|n| n.to_str()?.parse().ok());
    let pid = pid.ok_or_else(|| failed("it has no pid"))?;
    kill(Pid::from_raw(pid), Signal::SIGHUP)
        .map_err(|e| failed(&format!("kill({pid}, SIGHUP): {}", e.desc().to_lowercase())))
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
