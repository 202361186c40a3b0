//! systemd-run and systemctl, run under a deadline.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::super::error::Error;
use super::unit::Unit;

/// systemd answers in milliseconds; a busy one may take its time.
const PATIENCE: Duration = Duration::from_secs(10);

/// systemctl(1): "unit not loaded" (LSB exit code 5).
const NOT_LOADED: i32 = 5;

/// A process that keeps a scope alive, and ends when it is dropped or the runtime dies: it reads from a pipe that only the
/// runtime holds.
#[derive(Debug)]
pub(in super::super) struct Placeholder(Child);

impl Placeholder {
    /// Makes systemd start the scope, and returns when the placeholder runs in it.
    pub fn start(unit: &Unit, id: &str) -> Result<Self, Error> {
        let mut child = tool("systemd-run")
            .args(["--scope", "--quiet", "--collect"])
            .arg(format!("--unit={}", unit.name()))
            .arg(format!("--slice={}", unit.slice()))
            .arg(format!("--description=lxcri container {id}"))
            .args([
                "--property=Delegate=yes",
                "--property=DefaultDependencies=no",
                "--property=MemoryAccounting=yes",
                "--property=CPUAccounting=yes",
                "--property=IOAccounting=yes",
                "--property=TasksAccounting=yes",
                "--",
                "cat",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| failed("systemd-run", &e.to_string()))?;
        match echo(&mut child) {
            Ok(true) => Ok(Placeholder(child)),
            // It ended without an answer, and says why on stderr; or it is still waiting for systemd.
            other => {
                let _ = child.kill();
                let output = child
                    .wait_with_output()
                    .map(|o| o.stderr)
                    .unwrap_or_default();
                let said = last_line(&output);
                Err(failed(
                    &format!("systemd-run --unit={}", unit.name()),
                    match &other {
                        Err(errno) => errno.desc(),
                        Ok(_) if said.is_empty() => "no answer from systemd",
                        Ok(_) => &said,
                    },
                ))
            }
        }
    }

    /// Its process id, which is not the container's.
    pub fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the process ends anyway when its pipe is closed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// cat runs once the scope is there, and then sends back what it is sent.
fn echo(child: &mut Child) -> Result<bool, Errno> {
    let (Some(stdin), Some(stdout)) = (&mut child.stdin, &mut child.stdout) else {
        return Err(Errno::EBADF);
    };
    if stdin.write_all(b"\n").is_err() {
        return Ok(false);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout =
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(
            &mut [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)],
            timeout,
        ) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(stdout.read(&mut [0]).is_ok_and(|n| n == 1)),
            Err(e) => return Err(e),
        }
    }
}

/// Ends a unit that has no processes any more. One that is gone is no error.
pub(in super::super) fn stop(unit: &str) -> Result<(), Error> {
    run("systemctl", &["stop", "--", unit])
}

/// Runs a tool to its end.
pub(super) fn run(program: &str, arguments: &[&str]) -> Result<(), Error> {
    let command = || format!("{program} {}", arguments.join(" "));
    let mut child = tool(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(&command(), &e.to_string()))?;
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(200);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => {}
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(&command(), "no answer from systemd"));
            }
            Err(e) => return Err(failed(&command(), &e.to_string())),
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    };
    if status.success() || status.code() == Some(NOT_LOADED) && arguments.first() == Some(&"stop") {
        return Ok(());
    }
    let mut said = Vec::new();
    if let Some(stderr) = &mut child.stderr {
        // A message is short; the tool has ended, so that the pipe has an end too.
        let _ = stderr.take(4096).read_to_end(&mut said);
    }
    Err(failed(
        &command(),
        &format!("{status}: {}", last_line(&said)),
    ))
}

/// The caller's environment must not change what a tool does, nor its PATH which tool it is.
fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LC_ALL", "C");
    command
}

fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or_default().trim().to_owned()
}

fn failed(command: &str, why: &str) -> Error {
    Error::Systemd(format!("{command}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_tool_is_quoted() {
        let error = run("ls", &["/no/such/directory"]).unwrap_err().to_string();
        assert!(
            error.starts_with("--systemd-cgroup: ls /no/such/directory: exit status: 2: ")
                && error.contains("No such file"),
            "{error}"
        );
        let error = run("no-such-tool", &[]).unwrap_err().to_string();
        assert!(
            error.starts_with("--systemd-cgroup: no-such-tool : "),
            "{error}"
        );
    }

    #[test]
    fn the_callers_environment_does_not_reach_a_tool() {
        assert!(run("sh", &["-c", "test -z \"$HOME$CARGO\""]).is_ok());
    }
}
