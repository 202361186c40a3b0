//! Runs lxc-start and lxc-destroy: without cgroups of their own, without an inherited environment.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::store::Container;
use crate::sys;

/// Where distributions put programs; the caller's PATH is not asked.
const DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];
/// Name of LXC's log in a container's directory.
const LOG: &str = "lxc.log";
/// Name of the empty directory that hides the cgroup file systems from LXC.
const COVER: &str = "cover";

/// LXC's tools on this host.
#[derive(Clone, Debug)]
pub struct Lxc {
    start: PathBuf,
}

/// What a container's processes are born with.
pub struct Birth {
    /// Files of the cgroups to enter.
    pub procs: Vec<OwnedFd>,
    /// A cgroup namespace to join.
    pub cgroup_namespace: Option<OwnedFd>,
}

impl Lxc {
    /// Finds LXC.
    pub fn find() -> Result<Lxc> {
        match find("lxc-start") {
            Some(start) => Ok(Lxc { start }),
            None => bail!(
                "lxc-start not found in {}: install the package lxc",
                DIRECTORIES.join(":")
            ),
        }
    }

    /// Starts `lxc-start` in the foreground, as a child that dies with this process.
    pub fn start(&self, container: &Container, root: &Path, birth: Birth) -> Result<Child> {
        let mut command = command(&self.start, container, root)?;
        // What LXC has to say is read from its log and becomes part of our error.
        command
            .args(["-F", "-q", "-o"])
            .arg(container.file(LOG))
            .args(["-l", "ERROR"]);
        sys::on_fork(
            &mut command,
            sys::OwnedChildSetup {
                procs: birth.procs,
                cgroup_namespace: birth.cgroup_namespace,
                cover: cover(container)?,
                die_with_parent: true,
            },
        );
        command
            .spawn()
            .with_context(|| format!("execute {}", self.start.display()))
    }
}

/// Runs `lxc-destroy`, which runs `lxc.hook.destroy`. The error is for a warning: whoever calls this checks what was done.
pub fn destroy(container: &Container, root: &Path) -> Result<()> {
    let Some(program) = find("lxc-destroy") else {
        bail!("lxc-destroy not found: install the package lxc")
    };
    let mut command = command(&program, container, root)?;
    command
        .args(["-q", "-o"])
        .arg(container.file(LOG))
        .args(["-l", "ERROR"]);
    // In the caller's own mount namespace: a poststop hook belongs into the runtime namespace (config.md, Hooks), and
    // destroying a container without a monitor touches no cgroup.
    let status = command
        .status()
        .with_context(|| format!("execute {}", program.display()))?;
    if !status.success() {
        bail!("lxc-destroy: {status}: {}", messages(container));
    }
    Ok(())
}

/// What LXC wrote into its log, on one line.
pub fn messages(container: &Container) -> String {
    let text = fs::read_to_string(container.file(LOG)).unwrap_or_default();
    summarise(&text)
}

/// The first messages of a log, which name the cause; later ones repeat that the start failed.
fn summarise(log: &str) -> String {
    // "lxc-start c1 20261123060709.206 ERROR    conf - ../src/lxc/conf.c:lxc_setup:4427 - Invalid argument - Failed to …"
    let lines = log.lines().filter(|l| l.contains(" ERROR "));
    let parts: Vec<&str> = lines
        .filter_map(|l| l.splitn(3, " - ").nth(2))
        .take(3)
        .collect();
    if parts.is_empty() {
        "no message from LXC".to_owned()
    } else {
        parts.join("; ")
    }
}

fn command(program: &Path, container: &Container, root: &Path) -> Result<Command> {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", DIRECTORIES.join(":"));
    command.arg("-P").arg(root).arg("-n").arg(&container.id);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command)
}

fn cover(container: &Container) -> Result<CString> {
    let path = container.file(COVER);
    match fs::create_dir(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(e).with_context(|| format!("make {}", path.display()));
        }
        _ => {}
    }
    CString::new(path.as_os_str().as_bytes()).with_context(|| format!("use {}", path.display()))
}

fn find(name: &str) -> Option<PathBuf> {
    DIRECTORIES
        .iter()
        .map(|d| Path::new(d).join(name))
        .find(|p| is_executable(p))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Opens a namespace file.
pub fn open_namespace(path: &Path) -> Result<OwnedFd> {
    Ok(File::open(path)
        .with_context(|| format!("open namespace {}", path.display()))?
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_comes_first_and_the_rest_is_left_out() {
        let log = "lxc-start x 2026.1 ERROR    conf - ../src/lxc/conf.c:f:3161 - Invalid argument - Failed to inform\n\
                   lxc-start x 2026.1 WARN     conf - ../src/lxc/conf.c:f:1 - a warning\n\
                   lxc-start x 2026.1 ERROR    start - ../src/lxc/start.c:do_start:1272 - Failed to setup container \"x\"\n";
        assert_eq!(
            summarise(log),
            "Invalid argument - Failed to inform; Failed to setup container \"x\""
        );
        assert_eq!(summarise(""), "no message from LXC");
    }
}
