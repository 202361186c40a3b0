//! Runs a command under a deadline with its output captured in files.
//!
//! Files and not pipes, because a container keeps the descriptors of the command that created it: nobody waits for the end
//! of a file.

use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::sys::{self, Prepare};

/// How long something that happens within milliseconds may take on a busy machine. Waiting ends when it has happened.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What callers set in the environment of every command: if it turns up in a hook, the caller's environment leaked.
pub const CALLER_LEAK: &str = "LXCRI_TEST_CALLER=leak";
/// The PATH of every command. The first entry is there to be recognised.
pub const CALLER_PATH: &str =
    "/caller/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command to be run.
#[derive(Clone)]
pub struct Cmd {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: PathBuf,
    stdin: Vec<u8>,
    deadline: Duration,
    view: Option<Arc<OwnedFd>>,
    blocked: Vec<i32>,
    ignored: Vec<i32>,
    descriptors: Vec<(Arc<OwnedFd>, RawFd)>,
}

impl Cmd {
    /// A command with a small environment of its own, empty stdin, directory `/` and [`PATIENCE`] as its deadline.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let (name, value) = CALLER_LEAK.split_once('=').unwrap_or_default();
        Cmd {
            program: program.into(),
            args: Vec::new(),
            env: vec![
                ("PATH".into(), CALLER_PATH.into()),
                ("HOME".into(), "/root".into()),
                (name.into(), value.into()),
            ],
            cwd: "/".into(),
            stdin: Vec::new(),
            deadline: PATIENCE,
            view: None,
            blocked: Vec::new(),
            ignored: Vec::new(),
            descriptors: Vec::new(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|a| a.as_ref().to_os_string()));
        self
    }

    /// Makes another program run this one: `outer`, its arguments, then `inner` with the arguments of this command.
    #[must_use]
    pub fn with_program(mut self, outer: &str, args: &[&str], inner: &Path) -> Self {
        let mut all: Vec<OsString> = args.iter().map(OsString::from).collect();
        all.push(inner.into());
        all.append(&mut self.args);
        (self.program, self.args) = (outer.into(), all);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        let name = name.into();
        self.env.retain(|(other, _)| *other != name);
        self.env.push((name, value.into()));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cwd = directory.into();
        self
    }

    /// Sets what stdin holds.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets the time after which the command's process group is killed.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs the command in another mount namespace.
    #[must_use]
    pub fn view(mut self, view: Option<Arc<OwnedFd>>) -> Self {
        self.view = view;
        self
    }

    /// Signals that the caller blocks and ignores.
    #[must_use]
    pub fn signals(mut self, blocked: &[i32], ignored: &[i32]) -> Self {
        self.blocked = blocked.to_vec();
        self.ignored = ignored.to_vec();
        self
    }

    /// Hands a descriptor over as number `to`.
    ///
    /// # Panics
    /// When it cannot be duplicated.
    #[must_use]
    pub fn descriptor(mut self, from: impl AsFd, to: RawFd) -> Self {
        let copy =
            sys::high_copy(from.as_fd()).unwrap_or_else(|e| panic!("fcntl(F_DUPFD_CLOEXEC): {e}"));
        self.descriptors.push((Arc::new(copy), to));
        self
    }

    /// Starts the command.
    ///
    /// # Panics
    /// When it cannot be started at all: no test can go on from there.
    pub fn spawn(&self) -> Running {
        match self.try_spawn() {
            Ok(running) => running,
            Err(e) => panic!("cannot run {}: {e}", self.program.display()),
        }
    }

    fn try_spawn(&self) -> io::Result<Running> {
        let mut stdin = tempfile::tempfile()?;
        stdin.write_all(&self.stdin)?;
        stdin.rewind()?;
        let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .current_dir(&self.cwd);
        command
            .stdin(stdin)
            .stdout(stdout.try_clone()?)
            .stderr(stderr.try_clone()?)
            .process_group(0);
        let directory = CString::new(self.cwd.as_os_str().as_bytes())?;
        let prepare = Prepare {
            mount_namespace: self.view.as_ref().map(|fd| (fd.as_raw_fd(), directory)),
            blocked: self.blocked.clone(),
            ignored: self.ignored.clone(),
            descriptors: self
                .descriptors
                .iter()
                .map(|(fd, to)| (fd.as_raw_fd(), *to))
                .collect(),
        };
        sys::prepare(&mut command, prepare);
        let began = Instant::now();
        let child = command.spawn()?;
        Ok(Running {
            what: self.to_string(),
            child,
            stdout,
            stderr,
            began,
            deadline: self.deadline,
            done: false,
        })
    }

    /// Runs the command to its end or to the deadline.
    ///
    /// # Panics
    /// As [`Cmd::spawn`].
    pub fn run(&self) -> Outcome {
        self.spawn().wait()
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        self.args
            .iter()
            .try_for_each(|arg| write!(f, " {}", arg.display()))
    }
}

/// A command that runs. Dropping it kills its process group.
pub struct Running {
    what: String,
    child: Child,
    stdout: File,
    stderr: File,
    began: Instant,
    deadline: Duration,
    done: bool,
}

impl Running {
    /// The process id.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Sends a signal to the process (not to its group).
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    /// Sends a signal to its process group, as a terminal does.
    pub fn signal_group(&self, signal: Signal) {
        let _ = killpg(Pid::from_raw(self.pid()), signal);
    }

    /// What it has printed on stdout so far.
    pub fn stdout_so_far(&self) -> String {
        contents(&self.stdout)
    }

    /// What it has printed on stderr so far.
    pub fn stderr_so_far(&self) -> String {
        contents(&self.stderr)
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits for the end; at the deadline the process group is killed.
    pub fn wait(mut self) -> Outcome {
        let pidfd = sys::pidfd(self.pid()).ok();
        let mut timed_out = false;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Err(_) => break None,
                Ok(None) if self.began.elapsed() >= self.deadline => {
                    timed_out = true;
                    self.end();
                    break self.child.wait().ok();
                }
                Ok(None) => wait_readable(
                    pidfd.as_ref(),
                    self.deadline.saturating_sub(self.began.elapsed()),
                ),
            }
        };
        let took = self.began.elapsed();
        self.done = true;
        Outcome {
            what: std::mem::take(&mut self.what),
            status,
            timed_out,
            took,
            stdout: contents(&self.stdout),
            stderr: contents(&self.stderr),
            files: [self.stdout.try_clone().ok(), self.stderr.try_clone().ok()],
        }
    }

    fn end(&mut self) {
        let _ = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        let _ = self.child.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.done && !self.ended() {
            self.end();
            let _ = self.child.wait();
        }
    }
}

/// How a command ended.
pub struct Outcome {
    /// The command line.
    pub what: String,
    /// The status, unless waiting failed.
    pub status: Option<ExitStatus>,
    /// Whether it was killed at the deadline.
    pub timed_out: bool,
    /// How long it ran.
    pub took: Duration,
    /// What it printed.
    pub stdout: String,
    /// What it printed as errors.
    pub stderr: String,
    files: [Option<File>; 2],
}

impl Outcome {
    /// Whether it ended by itself with status 0.
    pub fn ok(&self) -> bool {
        !self.timed_out && self.status.is_some_and(|s| s.success())
    }

    /// The exit status, or 128+n for a signal.
    pub fn code(&self) -> i32 {
        self.status
            .and_then(|s| s.code().or_else(|| s.signal().map(|n| 128 + n)))
            .unwrap_or(-1)
    }

    /// The error text in one line.
    pub fn error(&self) -> String {
        self.stderr.trim().replace('\n', " | ")
    }

    /// How it ended, without the command line.
    pub fn brief(&self) -> String {
        let ending = if self.timed_out {
            "still running".to_string()
        } else {
            format!("status {}", self.code())
        };
        format!(
            "{ending} after {} ms; stderr: {}",
            self.took.as_millis(),
            self.error()
        )
    }

    /// stdout and stderr read again: a container may have written to them since.
    pub fn output_now(&self) -> [String; 2] {
        self.files
            .each_ref()
            .map(|file| file.as_ref().map(contents).unwrap_or_default())
    }

    /// Fails the test unless the command succeeded.
    ///
    /// # Panics
    /// With the command and its error output.
    #[track_caller]
    pub fn success(self) -> Self {
        assert!(self.ok(), "{self}");
        self
    }

    /// Fails the test unless the command failed by itself.
    ///
    /// # Panics
    /// When it succeeded, was killed by a signal, or had to be killed.
    #[track_caller]
    pub fn failure(self) -> Self {
        assert!(
            !self.timed_out
                && self
                    .status
                    .is_some_and(|s| s.code().is_some_and(|c| c != 0)),
            "{self}"
        );
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.brief())
    }
}

/// Waits for a pidfd, which becomes readable at the end of its process, and not longer than `patience`.
fn wait_readable(pidfd: Option<&OwnedFd>, patience: Duration) {
    let Some(fd) = pidfd else {
        return sleep(Duration::from_millis(1));
    };
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    let _ = poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], timeout);
}

/// Reads by position: the offset is shared with those who still write.
fn contents(file: &File) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 65536];
    while let Ok(n) = file.read_at(&mut piece, bytes.len() as u64)
        && n > 0
    {
        bytes.extend_from_slice(&piece[..n]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits until `condition` holds; false after `patience`.
pub fn wait_until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if began.elapsed() >= patience {
            return false;
        }
        sleep(Duration::from_millis(2));
    }
}

/// Finds a program as the shell would, in the caller's own PATH.
pub fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return std::fs::canonicalize(name).ok();
    }
    let path = std::env::var_os("PATH")?;
    let mut all: Vec<PathBuf> = std::env::split_paths(&path).collect();
    all.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    all.iter()
        .map(|directory| directory.join(name))
        .find(|file| Path::new(file).is_file())
}

/// Copies a program, or replaces it by a copy of another. Another process does it: what is open for writing here could be so
/// in a child of another test as well, and the copy could not be executed then (ETXTBSY).
///
/// # Panics
/// When it cannot be copied.
pub fn copy_program(from: &Path, to: &Path) {
    let (from, to) = (from.to_string_lossy(), to.to_string_lossy());
    assert!(
        quiet("install", &["-m", "0755", &from, &to]),
        "install {from} {to}"
    );
}

/// Discards what a command prints; for helpers like umount.
pub fn quiet(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
