//! One hook from its start to its record.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hook_model::{Hook, Phase, Record};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;

use crate::capture::{Buffer, Output};
use crate::error::CallError;
use crate::image::Image;
use crate::spawn::{self, Birthplace, Child, Spawn};
use crate::stdin::state_file;
use crate::sys::{self, Ended};

/// [`Context::kill_wait`] unless set otherwise.
const KILL_WAIT: Duration = Duration::from_secs(5);
/// Longest time of one poll, so that every timeout fits what poll takes.
const LONGEST_POLL: Duration = Duration::from_secs(24 * 3600);

/// The working directory of a hook.
#[derive(Clone, Copy, Debug)]
pub enum Cwd<'a> {
    /// Opened for each hook.
    Path(&'a Path),
    /// A directory that the caller has opened, O_PATH suffices.
    Fd(BorrowedFd<'a>),
}

/// What the hooks of a phase have in common.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The OCI state as JSON, for stdin.
    pub state: &'a [u8],
    /// The working directory.
    pub cwd: Cwd<'a>,
    /// Whether a hook is killed when the calling thread ends. A program with set-id bits loses that.
    pub die_with_caller: bool,
    /// When a hook is killed even if its own timeout is later, or if it has none.
    pub deadline: Option<Instant>,
    /// How long a killed hook is waited for. Only a process that hangs in the kernel needs longer than no time.
    pub kill_wait: Duration,
}

impl<'a> Context<'a> {
    /// Hooks with this state in this directory.
    pub fn new(state: &'a [u8], cwd: &'a Path) -> Context<'a> {
        Context {
            state,
            cwd: Cwd::Path(cwd),
            die_with_caller: false,
            deadline: None,
            kill_wait: KILL_WAIT,
        }
    }
}

/// Runs one hook, the `index`th (from 1) of its phase, and returns when it has ended.
pub fn run_hook(hook: &Hook, phase: Phase, index: u32, context: &Context<'_>) -> Record {
    Series::new(context)
        .run(Ok(None), hook, phase, index, None)
        .0
}

/// Like [`run_hook`], but executes an open file, so that what was checked is what runs. The path stands in the record.
///
/// A script cannot be run this way: its interpreter would have to open a descriptor that the hook must not have, and the
/// kernel says ENOENT.
pub fn run_hook_at(
    executable: BorrowedFd<'_>,
    hook: &Hook,
    phase: Phase,
    index: u32,
    context: &Context<'_>,
) -> Record {
    Series::new(context)
        .run(Ok(Some(executable)), hook, phase, index, None)
        .0
}

/// Like [`run_hook`], or [`run_hook_at`] with an executable, for a hook whose output is what it is run for: all of its
/// stdout is returned. A hook that writes more than `limit` bytes is killed, and there is no output then.
pub fn run_filter(
    executable: Option<BorrowedFd<'_>>,
    hook: &Hook,
    phase: Phase,
    index: u32,
    context: &Context<'_>,
    limit: usize,
) -> (Record, Option<Vec<u8>>) {
    Series::new(context).run(Ok(executable), hook, phase, index, Some(limit))
}

/// Hooks that run one after the other: what serves them all is made once, and what the next one needs while one runs.
pub(crate) struct Series<'a> {
    context: &'a Context<'a>,
    birthplace: Option<Birthplace>,
    /// The next hook's, made ahead.
    stdio: Option<Stdio>,
    /// Whether a next hook is to be expected.
    pub more: bool,
}

/// The standard descriptors of a hook, and our ends of them.
struct Stdio {
    stdin: OwnedFd,
    stdout: (Output, OwnedFd),
    stderr: (Output, OwnedFd),
}

impl Stdio {
    fn new(state: &[u8], limit: Option<usize>) -> Result<Stdio, CallError> {
        Ok(Stdio {
            stdin: state_file(state)?,
            stdout: Output::new(limit)?,
            stderr: Output::new(None)?,
        })
    }
}

impl<'a> Series<'a> {
    pub fn new(context: &'a Context<'a>) -> Series<'a> {
        Series {
            context,
            birthplace: None,
            stdio: None,
            more: false,
        }
    }

    /// `executable` may be the reason why there is none.
    pub fn run(
        &mut self,
        executable: Result<Option<BorrowedFd<'_>>, String>,
        hook: &Hook,
        phase: Phase,
        index: u32,
        limit: Option<usize>,
    ) -> (Record, Option<Vec<u8>>) {
        let start = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let began = Instant::now();
        let mut record = Record {
            phase,
            index,
            path: hook.path_str().into_owned(),
            argv: hook.argv(),
            pid: 0,
            start_ns: nanoseconds(start),
            duration_ns: 0,
            exit_status: None,
            signal: None,
            timed_out: false,
            error: None,
            stdout: String::new(),
            stderr: String::new(),
        };
        // A timeout beyond the range of the clock is none.
        let own = hook
            .deadline()
            .and_then(|timeout| began.checked_add(timeout));
        let deadline = own.into_iter().chain(self.context.deadline).min();
        let mut output = None;
        let started =
            executable.and_then(|file| self.start_hook(file, hook, limit, &mut record.pid));
        match started {
            Ok(running) => {
                if self.more {
                    // What is wrong with them is said when they are needed.
                    self.stdio = Stdio::new(self.context.state, None).ok();
                }
                output = running.finish(deadline, self.context.kill_wait, &mut record);
            }
            Err(error) => record.error = Some(error),
        }
        record.duration_ns = nanoseconds(began.elapsed());
        (record, output)
    }

    /// Tells the pid as soon as there is one, even of a process that then failed to execute the hook. The error is the text
    /// for the record.
    fn start_hook(
        &mut self,
        executable: Option<BorrowedFd<'_>>,
        hook: &Hook,
        limit: Option<usize>,
        pid: &mut u32,
    ) -> Result<Running, String> {
        let image = Image::new(hook, hook.environ())?;
        self.spawn(executable, &image, limit, pid)
            .map_err(|error| error.to_string())
    }

    fn spawn(
        &mut self,
        executable: Option<BorrowedFd<'_>>,
        image: &Image,
        limit: Option<usize>,
        pid: &mut u32,
    ) -> Result<Running, CallError> {
        sys::wait_for_children().map_err(CallError::of("sigaction(SIGCHLD)"))?;
        let opened: OwnedFd;
        let cwd = match self.context.cwd {
            Cwd::Fd(fd) => fd,
            Cwd::Path(path) => {
                opened = open(
                    path,
                    OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
                    Mode::empty(),
                )
                .map_err(CallError::of(format!(
                    "open({}, O_PATH|O_DIRECTORY)",
                    path.display()
                )))?;
                opened.as_fd()
            }
        };
        // Standard descriptors are replaced before the executable is used.
        let executable = match executable {
            None => None,
            Some(fd) => {
                let copy = fd.try_clone_to_owned().map_err(|e| {
                    CallError::of("fcntl(F_DUPFD_CLOEXEC)")(
                        e.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw),
                    )
                })?;
                Some(sys::above_stdio(copy)?)
            }
        };
        let Stdio {
            stdin,
            stdout: (stdout, hook_stdout),
            stderr: (stderr, hook_stderr),
        } = match self.stdio.take() {
            Some(ready) if limit.is_none() => ready,
            _ => Stdio::new(self.context.state, limit)?,
        };
        let plan = Spawn {
            path: &image.path,
            argv: &image.argv,
            envp: &image.envp,
            executable: executable.as_ref().map(AsFd::as_fd),
            cwd,
            stdio: [stdin.as_fd(), hook_stdout.as_fd(), hook_stderr.as_fd()],
            die_with_caller: self.context.die_with_caller,
        };
        let birthplace = match &mut self.birthplace {
            Some(known) => known,
            unknown => unknown.insert(Birthplace::new()?),
        };
        let child = spawn::spawn(birthplace, &plan, pid)?;
        Ok(Running {
            child,
            stdout,
            stderr,
        })
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Why a hook is not waited for any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Ended,
    TimedOut,
    /// It has written more than is allowed.
    TooMuch,
}

/// A hook that has been executed.
struct Running {
    child: Child,
    stdout: Output,
    stderr: Output,
}

impl Running {
    /// Waits for the end of the hook and fills in the rest of its record. The result is its stdout, if all of it is kept.
    fn finish(
        mut self,
        deadline: Option<Instant>,
        kill_wait: Duration,
        record: &mut Record,
    ) -> Option<Vec<u8>> {
        let mut buffer = Buffer::default();
        let ended = self.wait_until(deadline, &mut buffer);
        let gone = if ended == Ok(Stop::Ended) {
            true
        } else {
            record.timed_out = ended == Ok(Stop::TimedOut);
            record.error = ended
                .err()
                .map(|errno| CallError::of("poll(pidfd)")(errno).to_string());
            sys::kill_group(&self.child);
            self.wait_for_killed(kill_wait, &mut buffer)
        };
        if gone {
            match sys::reap(self.child.pidfd.as_fd()) {
                Ok(Ended::Exited(status)) => record.exit_status = u8::try_from(status).ok(),
                Ok(Ended::Killed(signal)) => record.signal = u8::try_from(signal).ok(),
                Err(errno) => {
                    record.error = Some(CallError::of("waitid(P_PIDFD)")(errno).to_string())
                }
            }
        } else {
            let error = record
                .error
                .take()
                .map(|error| format!("{error}, "))
                .unwrap_or_default();
            record.error = Some(format!(
                "{error}not ended {} s after SIGKILL",
                kill_wait.as_secs()
            ));
        }
        // What a process of the hook writes from now on is not the hook's any more.
        self.stdout.drain(&mut buffer);
        self.stderr.drain(&mut buffer);
        let (end, whole) = self.stdout.into_parts();
        record.stdout = end;
        record.stderr = self.stderr.into_parts().0;
        whole
    }

    /// Whether a killed hook has ended in time, whatever it has written.
    fn wait_for_killed(&mut self, time: Duration, buffer: &mut Buffer) -> bool {
        let deadline = Instant::now().checked_add(time);
        loop {
            match self.wait_until(deadline, buffer) {
                Ok(Stop::TooMuch) => {}
                stop => return stop == Ok(Stop::Ended),
            }
        }
    }

    /// Drains the output until there is a reason to stop.
    fn wait_until(
        &mut self,
        deadline: Option<Instant>,
        buffer: &mut Buffer,
    ) -> Result<Stop, Errno> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let child = self.child.pidfd.as_fd();
            // An output that has ended is polled as the pidfd without events, since poll takes no gaps here.
            let output = |pipe: Option<_>| match pipe {
                Some(pipe) => PollFd::new(pipe, PollFlags::POLLIN),
                None => PollFd::new(child, PollFlags::empty()),
            };
            let mut fds = [
                PollFd::new(child, PollFlags::POLLIN),
                output(self.stdout.pipe()),
                output(self.stderr.pipe()),
            ];
            match poll(&mut fds, timeout(left)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
            let [ended, out, err] = fds.map(|fd| fd.any().unwrap_or(false));
            if ended {
                return Ok(Stop::Ended);
            }
            if out {
                self.stdout.read(buffer);
            }
            if err {
                self.stderr.read(buffer);
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Stop::TimedOut);
            }
            if self.stdout.is_too_much() {
                return Ok(Stop::TooMuch);
            }
        }
    }
}

/// Milliseconds, rounded up: a poll that ends just before the deadline would be followed by another.
fn timeout(left: Option<Duration>) -> PollTimeout {
    match left {
        None => PollTimeout::NONE,
        Some(left) => {
            let milliseconds = left.min(LONGEST_POLL).as_nanos().div_ceil(1_000_000);
            i32::try_from(milliseconds)
                .ok()
                .and_then(|ms| PollTimeout::try_from(ms).ok())
                .unwrap_or(PollTimeout::MAX)
        }
    }
}
