//! Running an engine's own programs: bounded, without input, their error as one line.

use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What the program prints, run where daemons run: relative names in their files can count from there. An error is the
/// last line that it wrote to stderr, or why it did not run.
pub(crate) fn output(command: &mut Command, patience: Duration) -> Result<String, String> {
    let failed = |e: std::io::Error| e.to_string();
    // Files, not pipes: a program that prints much is not held up, and a grandchild that keeps them open holds up nobody.
    let mut stdout = tempfile::tempfile().map_err(failed)?;
    let mut stderr = tempfile::tempfile().map_err(failed)?;
    let mut child = command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().map_err(failed)?)
        .stderr(stderr.try_clone().map_err(failed)?)
        .spawn()
        .map_err(failed)?;
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if began.elapsed() >= patience {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("no end after {} s", patience.as_secs()));
        }
        sleep(Duration::from_millis(5));
    };
    let said = text(&mut stdout).map_err(failed)?;
    if status.success() {
        return Ok(said);
    }
    let complaint = text(&mut stderr).map_err(failed)?;
    let last = complaint.lines().rev().find(|line| !line.trim().is_empty());
    Err(match last {
        Some(line) => format!("{status}: {}", line.trim()),
        None => status.to_string(),
    })
}

fn text(file: &mut std::fs::File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a program can be found where the shell would.
pub(crate) fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| Path::new(&directory).join(name).is_file())
}

/// The command line, for people.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_run_where_daemons_run() {
        let said = output(&mut Command::new("pwd"), Duration::from_secs(10));
        assert_eq!(said.as_deref(), Ok("/\n"));
    }
}
