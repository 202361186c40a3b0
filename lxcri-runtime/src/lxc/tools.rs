//! Runs lxc-start and lxc-destroy: without cgroups of their own, without an inherited environment.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use hook_tree::names;
use lxc_entry::Entry;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sched::CloneFlags;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::sys;

use crate::access::Access;
use crate::ahead;
use crate::process::{self, Process};
use crate::spec::{Namespace, Namespaces};
use crate::store::Container;

/// Where distributions put programs; the caller's PATH is not asked.
const DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];
/// What LXC executes each hook with.
pub const SHELL: &str = "/bin/sh";
/// Where LXC keeps its lock files when it runs as root.
const LOCKS: &str = "/run/lxc/lock";
/// How long lxc-destroy may take, hooks aside.
const OWN_TIME: Duration = Duration::from_secs(10);
/// Name of LXC's log in a container's directory.
pub const LOG: &str = "lxc.log";
/// How much of it is read, in bytes.
const LOG_LIMIT: u64 = 64 << 10;
/// Name of the directory for LXC's locks where LXC is root of a user namespace.
const OWN_RUN: &str = "run";
/// Name of the empty directory to which LXC's own mounts are moved, and its covers.
pub const ASIDE: &str = "aside";

/// LXC's tools on this host.
#[derive(Clone, Debug)]
pub struct Lxc {
    start: PathBuf,
}

/// What a container's processes are born with.
pub struct Birth {
    /// The v2 cgroup to be born in.
    pub cgroup: Option<OwnedFd>,
    /// Files of the v1 cgroups to enter.
    pub tasks: Vec<OwnedFd>,
    /// Namespaces to join; a user namespace last.
    pub namespaces: ahead::Open,
    /// The launcher, if it may take the place of the shell that LXC starts for a hook.
    pub as_shell: Option<PathBuf>,
    /// A directory in which LXC may make its locks, where it may not do so in its own.
    pub locks: Option<PathBuf>,
}

/// How `lxc-start` is executed.
pub(super) struct How<'a> {
    /// Environment variables besides PATH.
    pub variables: &'a [OsString],
    /// The launcher, if it may take the place of the shell that LXC starts for a hook.
    pub as_shell: Option<&'a Path>,
    /// The v2 cgroup to be born in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// What it enters before it is executed.
    pub entry: Option<&'a Entry<'a>>,
    /// The socket at which it waits.
    pub socket: Option<BorrowedFd<'a>>,
}

/// A running `lxc-start`, which is the container's monitor until it is ended. Dropping it ends it.
pub struct Monitor {
    /// Its pid.
    pub pid: i32,
    pidfd: OwnedFd,
    ended: bool,
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
    pub fn start(&self, container: &Container, root: &Path, birth: &Birth) -> Result<Monitor> {
        let mut variables = Vec::new();
        if let Some(locks) = &birth.locks {
            let mut variable = OsString::from("XDG_RUNTIME_DIR=");
            variable.push(locks);
            variables.push(variable);
        }
        birth.entry(container, |entry| {
            let how = How {
                variables: &variables,
                as_shell: birth.as_shell.as_deref(),
                cgroup: birth.cgroup.as_ref().map(OwnedFd::as_fd),
                entry: Some(entry),
                socket: None,
            };
            self.execute(container, root, &how)
        })?
    }

    /// Executes `lxc-start`.
    pub(super) fn execute(&self, container: &Container, root: &Path, how: &How) -> Result<Monitor> {
        // What LXC has to say is read from its log and becomes part of our error. It is found from the container's directory, so
        // that nothing can be made before that exists.
        let root = unguessable(root)?;
        let words: [&OsStr; 11] = [
            "lxc-start".as_ref(),
            "-F".as_ref(),
            "-P".as_ref(),
            &root,
            "-n".as_ref(),
            container.id.as_ref(),
            "-q".as_ref(),
            "-o".as_ref(),
            LOG.as_ref(),
            "-l".as_ref(),
            "ERROR".as_ref(),
        ];
        let path = OsString::from(format!("PATH={}", DIRECTORIES.join(":")));
        let strings =
            |texts: &mut dyn Iterator<Item = &OsStr>| texts.map(string).collect::<Result<Vec<_>>>();
        let stdio = nothing().context("make stdio for lxc-start")?;
        let program = string(self.start.as_os_str())?;
        let arguments = strings(&mut words.into_iter())?;
        let environment = [&path].into_iter().chain(how.variables);
        let environment = strings(&mut environment.map(OsString::as_os_str))?;
        let shell = how.as_shell.and_then(shell);
        let shell = shell.as_ref().map(|shell| lxc_entry::Shell {
            path: &shell.path,
            mount_point: &shell.mount_point,
            cover: &shell.cover,
        });
        let spawned = sys::spawn(&sys::Spawn {
            program: &program,
            arguments: &arguments,
            environment: &environment,
            cgroup: how.cgroup,
            shell: shell.as_ref(),
            entry: how.entry,
            socket: how.socket,
            stdio: stdio.as_fd(),
        })
        .map_err(|(step, error)| {
            anyhow!(error).context(format!("start {}: {step}", self.start.display()))
        })?;
        Ok(Monitor {
            pid: spawned.pid,
            pidfd: spawned.pidfd,
            ended: false,
        })
    }
}

/// A file of its own from which nothing can be read and to which nothing can be written.
///
/// LXC gives its stdio to the user of init and sets mode 0700, unless it is what the container has as /dev/null. Where
/// something else lies there, the host's /dev/null would be changed for everybody.
fn nothing() -> nix::Result<OwnedFd> {
    let file = memfd_create(
        c"nothing",
        MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
    )?;
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

/// The directory of the containers, written as nobody can guess it: with 64 steps that lead nowhere, `/` or `/.`.
///
/// LXC names the command socket of a monitor after this path (`lxc_make_abstract_socket_name`), in the abstract namespace of
/// unix(7). There any process of the network namespace may take a name that it knows before LXC does, also a process of another
/// container, and LXC would ask it about the container and wait for ever.
fn unguessable(root: &Path) -> Result<OsString> {
    let random = crate::sys::random().context("getrandom")?;
    let mut name = root.as_os_str().to_owned();
    for bit in 0..u64::BITS {
        name.push(if random >> bit & 1 == 0 { "/" } else { "/." });
    }
    // LXC takes away slashes at the end.
    name.push("/.");
    Ok(name)
}

fn string(text: &OsStr) -> Result<CString> {
    CString::new(text.as_bytes()).with_context(|| format!("use {text:?}"))
}

impl Birth {
    /// What `lxc-start` enters, for one call.
    pub(super) fn entry<R>(
        &self,
        container: &Container,
        call: impl FnOnce(&Entry) -> R,
    ) -> Result<R> {
        let directory = File::open(&container.dir)
            .with_context(|| format!("open {}", container.dir.display()))?;
        let tasks: Vec<_> = self.tasks.iter().map(AsRawFd::as_raw_fd).collect();
        let namespaces = self.namespaces.iter();
        let namespaces: Vec<_> = namespaces
            .map(|(fd, kind)| (fd.as_raw_fd(), kind.bits()))
            .collect();
        Ok(call(&Entry {
            directory: directory.as_raw_fd(),
            tasks: &tasks,
            namespaces: &namespaces,
        }))
    }
}

/// A shell that is covered ([`lxc_entry::Shell`]).
struct Shell {
    path: CString,
    mount_point: CString,
    cover: CString,
}

impl Monitor {
    /// Takes over the process that goes on in the place of this one, which has ended.
    pub(super) fn replaced_by(mut self, pid: i32) -> Result<Monitor> {
        if pid == self.pid {
            return Ok(self);
        }
        let pidfd = crate::sys::pidfd_open(pid).inspect_err(|_| {
            // Nobody would end it: it is no longer the process that is known.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        });
        let monitor = Monitor {
            pid,
            pidfd: pidfd.context("pidfd_open(lxc-start)")?,
            ended: false,
        };
        self.wait()?;
        Ok(monitor)
    }

    /// Ends it.
    pub fn kill(&self) -> Result<()> {
        crate::sys::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL).context("end lxc-start")
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<()> {
        while !self.ended {
            match waitpid(Pid::from_raw(self.pid), None) {
                Err(Errno::EINTR) => {}
                Err(e) => return Err(anyhow!(e)).context("wait for lxc-start"),
                Ok(_) => self.ended = true,
            }
        }
        Ok(())
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Err(e) = self.kill().and_then(|()| self.wait()) {
            log::warn!("{}", crate::errors::one_line(&e));
        }
    }
}

/// Runs `lxc-destroy`, which runs `lxc.hook.destroy`. The error is for a warning: whoever calls this checks what was done.
///
/// `hooks` is how long the hooks may take altogether, `None` if one of them may take as long as it likes. LXC itself must not
/// keep us: it waits without end for its lock.
///
/// `begun` gets its pid. Without an error every poststop hook has run: the launcher ends with 0 after the last of them and not
/// before, and LXC reports when it does not.
pub fn destroy(
    container: &Container,
    root: &Path,
    hooks: Option<Duration>,
    begun: impl FnOnce(i32),
) -> Result<()> {
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
    let mut child = command
        .spawn()
        .with_context(|| format!("execute {}", program.display()))?;
    let pid = i32::try_from(child.id()).context("pid of lxc-destroy")?;
    let pidfd = crate::sys::pidfd_open(pid).context("pidfd_open(lxc-destroy)")?;
    begun(pid);
    let end = hooks.and_then(|h| Instant::now().checked_add(h)?.checked_add(OWN_TIME));
    loop {
        let look = Instant::now() + OWN_TIME;
        let next = end.map_or(look, |end| end.min(look));
        if process::wait_readable(pidfd.as_fd(), next).context("wait for lxc-destroy")? {
            break;
        }
        // Hooks without a timeout may take as long as they like; LXC alone may not.
        if end.is_some_and(|end| Instant::now() >= end) || !process::may_have_children(pid) {
            // A hook that still runs must not run beside itself when it is run again. It is reaped below.
            let _ = Process::of(pid).and_then(|lxc| lxc.end_with_descendants());
            let _ = child.kill();
            break;
        }
    }
    let status = child.wait().context("wait for lxc-destroy")?;
    if !status.success() {
        bail!("lxc-destroy: {status}: {}", messages(container));
    }
    Ok(())
}

/// Removes the lock file that LXC makes for each container and never removes.
pub fn remove_lock(container: &Container, root: &Path) {
    // liblxc joins the path of the containers to its own without looking at the slashes.
    let directory = Path::new(LOCKS).join(root.strip_prefix("/").unwrap_or(root));
    // It is missing where LXC was built with another run-time directory, and shared with LXC's own containers.
    let _ = fs::remove_file(directory.join(format!(".{}", container.id)));
}

/// Lets LXC read and write what it must when it is executed as the root of a user namespace, an ordinary user and group of the
/// host. Returns a directory for its locks.
pub fn let_in(container: &Container, (uid, gid): (u32, u32)) -> Result<PathBuf> {
    let access = Access { group: Some(gid) };
    access.tree(&container.file(names::LXC_CONFIG))?;
    let log = container.file(LOG);
    container.replace(&log, b"", 0o600)?;
    let own = container.file(OWN_RUN);
    fs::create_dir(&own).with_context(|| format!("make {}", own.display()))?;
    fs::set_permissions(&own, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("set mode of {}", own.display()))?;
    for path in [&log, &own] {
        chown(path, Some(uid), Some(gid))
            .with_context(|| format!("set owner of {}", path.display()))?;
    }
    Ok(own)
}

/// What LXC wrote into its log, on one line.
pub fn messages(container: &Container) -> String {
    // In a user namespace by path it belongs to that namespace's root.
    let mut text = Vec::new();
    let file = File::open(container.file(LOG));
    let _ = file.and_then(|file| file.take(LOG_LIMIT).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
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
    command.arg("-P").arg(unguessable(root)?);
    command.arg("-n").arg(&container.id);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command)
}

/// The shell that LXC starts for a hook, to be covered by the launcher. Nothing where it cannot be found out what to do.
fn shell(launcher: &Path) -> Option<Shell> {
    let path = fs::canonicalize(SHELL).ok()?;
    let id = |path: &Path| lxc_entry::mount_id(&string(path.as_os_str()).ok()?);
    let mount = id(&path)?;
    let mount_point = path
        .ancestors()
        .take_while(|p| id(p) == Some(mount))
        .last()?;
    Some(Shell {
        mount_point: string(mount_point.as_os_str()).ok()?,
        path: string(path.as_os_str()).ok()?,
        cover: string(launcher.as_os_str()).ok()?,
    })
}

fn find(name: &str) -> Option<PathBuf> {
    DIRECTORIES
        .iter()
        .map(|d| Path::new(d).join(name))
        .find(|p| is_executable(p))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Opens the namespaces that are given by path, which lxc-start must be in before its `main` (see [`config`](super::config)). The
/// user namespace comes last: what is joined in it needs rights in the one outside.
pub fn open_namespaces(namespaces: &Namespaces) -> Result<ahead::Open> {
    let kinds = [
        (&namespaces.cgroup, CloneFlags::CLONE_NEWCGROUP),
        (&namespaces.network, CloneFlags::CLONE_NEWNET),
        (&namespaces.ipc, CloneFlags::CLONE_NEWIPC),
        (&namespaces.uts, CloneFlags::CLONE_NEWUTS),
        (&namespaces.pid, CloneFlags::CLONE_NEWPID),
        (&namespaces.user, CloneFlags::CLONE_NEWUSER),
    ];
    let mut open = Vec::new();
    for (namespace, kind) in kinds {
        if let Namespace::Path(path) = namespace {
            let file = File::open(path)
                .with_context(|| format!("/linux/namespaces: open namespace {}", path.display()))?;
            open.push((file.into(), kind));
        }
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unguessable_path_leads_to_the_same_place() {
        let root = tempfile::tempdir().unwrap();
        let name = unguessable(root.path()).unwrap();
        assert!(
            name.as_bytes()
                .starts_with(root.path().as_os_str().as_bytes())
        );
        assert_eq!(
            fs::canonicalize(&name).unwrap(),
            fs::canonicalize(root.path()).unwrap()
        );
        assert_ne!(unguessable(root.path()).unwrap(), name);
    }

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
