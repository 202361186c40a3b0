//! `kill`: sends a signal to the container process, or to all of them.

use anyhow::{Context, Result, bail};
use hook_model::Status;
use nix::sys::signal::Signal;

use crate::cgroup::Cgroup;
use crate::request::Runtime;
use crate::store::Container;

/// Sends `signal` to init, or to every process of the container.
///
/// No lock is taken: a container whose start hangs in a hook can still be killed.
pub fn kill(runtime: &Runtime, id: &str, signal: i32, all: bool) -> Result<()> {
    let container = Container::at(&runtime.root, id);
    let (state, record) = container.state()?;
    let cgroup = || {
        record
            .as_ref()
            .and_then(|r| r.cgroup.clone())
            .map(Cgroup::from_record)
    };
    if !matches!(state.status, Status::Created | Status::Running) {
        // The processes of a shared pid namespace may outlive init, and --all is how an engine ends them.
        if all && state.status == Status::Stopped {
            return signal_all(id, cgroup(), signal);
        }
        bail!(
            "cannot kill container {id}: it is {}, not created or running",
            state.status
        );
    }
    if all {
        return signal_all(id, cgroup(), signal);
    }
    let shared = record.as_ref().is_some_and(|r| !r.own_pid_namespace);
    if shared && signal == libc::SIGKILL {
        return signal_all(id, cgroup(), signal);
    }
    let init = record
        .as_ref()
        .and_then(|r| r.init)
        .context("record.json names no init")?;
    if !init
        .signal(signal)
        .with_context(|| format!("pidfd_send_signal({}, {signal})", init.pid))?
    {
        bail!("cannot kill container {id}: it is stopped, not created or running");
    }
    match cgroup() {
        Some(cgroup) if signal == libc::SIGKILL => cgroup.let_die().context("thaw the cgroup"),
        _ => Ok(()),
    }
}

fn signal_all(id: &str, cgroup: Option<Cgroup>, signal: i32) -> Result<()> {
    let Some(cgroup) = cgroup else { return Ok(()) };
    cgroup
        .signal_all(signal)
        .with_context(|| format!("signal all processes of container {id}"))
}

/// The number of a signal given by name, with or without `SIG`, or by number.
pub fn parse_signal(text: &str) -> Result<i32> {
    if let Ok(number) = text.parse::<i32>() {
        if (1..=64).contains(&number) {
            return Ok(number);
        }
        bail!("signal {text:?}: not a number from 1 to 64");
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    // signal(7): the real-time signals count from the first one or down from the last.
    for (prefix, base) in [("RTMIN", 34), ("RTMAX", 64)] {
        if let Some(rest) = name.strip_prefix(prefix) {
            let number = base
                + if rest.is_empty() {
                    0
                } else {
                    rest.parse::<i32>().unwrap_or(i32::MAX / 2)
                };
            if (34..=64).contains(&number) {
                return Ok(number);
            }
        }
    }
    match format!("SIG{name}").parse::<Signal>() {
        Ok(signal) => Ok(signal as i32),
        Err(_) => bail!("signal {text:?}: no such signal"),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_signal;

    #[test]
    fn signals_by_name_and_number() {
        for (text, number) in [
            ("9", 9),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("sigterm", 15),
            ("RTMIN+2", 36),
            ("SIGRTMAX-1", 63),
            ("37", 37),
        ] {
            assert_eq!(parse_signal(text).unwrap(), number, "{text}");
        }
        for text in ["", "0", "65", "-9", "NOPE", "RTMIN+99", "RTMAX+1", "9x"] {
            assert!(parse_signal(text).is_err(), "{text}");
        }
    }
}
