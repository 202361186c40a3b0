//! Runs one hook: process, deadline, output.

use crate::capture;
use crate::errno::Errno;
use crate::fail::{self, Failure, Result};
use crate::sys::{self, Buf, Child, Clock, Fd, Pointers, Readiness, Spawn, nanoseconds};
use hook_tree::{Cmdline, Environ};

/// How long a killed hook may take to disappear, in nanoseconds. Only a process in an uninterruptible wait needs any.
const KILL_WAIT: u64 = 2 * SECOND;
/// How much is read from a hook's output at once: the capacity of a pipe.
const READ_SIZE: usize = 64 << 10;
/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// How a hook ended.
pub enum End {
    /// By itself or by a signal that was not ours.
    Ended(sys::End),
    /// Its deadline of so many seconds passed; how it ended after SIGKILL, if it did in time.
    TimedOut(Option<sys::End>, u64),
    /// It could not be run, and why.
    NotRun(Failure),
}

/// What is known about a hook that ran.
pub struct Outcome {
    /// Its process id; 0 when it never was a process.
    pub pid: u32,
    /// Its start in nanoseconds since the epoch.
    pub start_ns: u64,
    /// Its duration in nanoseconds.
    pub duration_ns: u64,
    /// Its end.
    pub end: End,
}

/// The memory that hooks use one after the other.
pub struct Memory {
    /// The ends of a hook's stdout and stderr.
    pub tails: [Buf; 2],
    scratch: Buf,
}

impl Memory {
    /// No memory yet.
    pub const fn new() -> Memory {
        Memory {
            tails: [Buf::new(), Buf::new()],
            scratch: Buf::new(),
        }
    }
}

/// What a hook gets besides its own files.
pub struct Surroundings<'a> {
    /// Its stdin.
    pub state: &'a Fd,
    /// Its working directory.
    pub cwd: &'a Fd,
    /// A descriptor that hangs up when whoever waits for the hook is gone.
    pub lifeline: Option<i32>,
}

/// Runs a hook to its end or its deadline.
///
/// # Errors
/// Only what is not the hook's fault: no memory, no pipe, or nobody left to run it for.
pub fn run(
    cmdline: &Cmdline,
    environ: &Environ,
    around: &Surroundings,
    memory: &mut Memory,
) -> Result<Outcome> {
    memory.tails.iter_mut().for_each(Buf::clear);
    let begin = nanoseconds(Clock::Monotonic);
    let start_ns = nanoseconds(Clock::Realtime);
    let argv = Pointers::collect(cmdline.argv()).map_err(no_memory)?;
    let envp = Pointers::collect(environ.entries()).map_err(no_memory)?;
    memory.scratch.room(READ_SIZE).map_err(no_memory)?;
    let (stdout, stdout_end) = pipe()?;
    let (stderr, stderr_end) = pipe()?;
    let spawn = Spawn {
        path: cmdline.path(),
        argv: &argv,
        envp: &envp,
        stdio: [around.state, &stdout_end, &stderr_end],
        cwd: around.cwd,
    };
    let started = spawn.start();
    // While we hold a write end, the end of the output never shows.
    drop((stdout_end, stderr_end));
    let (pid, end) = match started {
        Ok(child) => {
            let watch = Watch {
                child: &child,
                streams: [Some(stdout), Some(stderr)],
                memory,
                begin,
                timeout: environ.timeout(),
                lifeline: around.lifeline,
            };
            (child.pid, watch.follow()?)
        }
        Err(error) => {
            let path = cmdline.path().to_bytes();
            let argument = if error.of_program { path } else { b"" };
            let why = Failure::of_call(fail::HOOK_NOT_RUN, error.call, argument, error.errno);
            (error.pid, End::NotRun(why))
        }
    };
    let duration_ns = nanoseconds(Clock::Monotonic).saturating_sub(begin);
    Ok(Outcome {
        pid,
        start_ns,
        duration_ns,
        end,
    })
}

fn no_memory(errno: Errno) -> Failure {
    Failure::of_call(fail::NO_MEMORY, b"mmap", b"", errno)
}

fn pipe() -> Result<(Fd, Fd)> {
    sys::pipe().map_err(Failure::call(fail::SYSTEM, b"pipe2"))
}

/// A running hook and everything that is waited for.
struct Watch<'a> {
    child: &'a Child,
    /// The read ends of stdout and stderr until their ends.
    streams: [Option<Fd>; 2],
    memory: &'a mut Memory,
    /// When the hook was begun, in nanoseconds.
    begin: u64,
    /// Its timeout in seconds.
    timeout: Option<u64>,
    lifeline: Option<i32>,
}

impl Watch<'_> {
    /// Drains the output until the hook has ended, its deadline has passed or nobody waits for it any more.
    fn follow(mut self) -> Result<End> {
        let deadline = self
            .timeout
            .map(|seconds| self.begin.saturating_add(seconds.saturating_mul(SECOND)));
        loop {
            let left =
                deadline.map(|deadline| deadline.saturating_sub(nanoseconds(Clock::Monotonic)));
            let [stdout, stderr] = &self.streams;
            let mut set = [
                Readiness::readable(Some(&self.child.pidfd)),
                Readiness::readable(stdout.as_ref()),
                Readiness::readable(stderr.as_ref()),
                Readiness::gone(self.lifeline),
            ];
            let polled = sys::poll(&mut set, left);
            let [ended, stdout, stderr, gone] = set.map(|entry| entry.is_ready());
            // The output comes after the end is known, so that none of the hook's own is missed.
            if ended {
                let end = self
                    .child
                    .reap()
                    .map_err(Failure::call(fail::SYSTEM, b"wait4"))?;
                self.drain_rest();
                return Ok(End::Ended(end));
            }
            if left == Some(0) {
                let end = kill(self.child);
                self.drain_rest();
                return Ok(End::TimedOut(end, self.timeout.unwrap_or(0)));
            }
            if gone || polled.is_err() {
                kill(self.child);
                return Err(Failure::new(
                    fail::SYNC_LOST,
                    &[b"the runtime went away while a hook ran"],
                ));
            }
            if stdout {
                self.drain(0, READ_SIZE);
            }
            if stderr {
                self.drain(1, READ_SIZE);
            }
        }
    }

    /// Reads once; forgets the stream at its end.
    fn drain(&mut self, stream: usize, limit: usize) {
        let (Some(slot), Some(tail)) = (
            self.streams.get_mut(stream),
            self.memory.tails.get_mut(stream),
        ) else {
            return;
        };
        let Some(fd) = slot else { return };
        self.memory.scratch.clear();
        match self.memory.scratch.read_from(fd, limit) {
            Ok(count) if count > 0 => capture::keep(tail, self.memory.scratch.bytes()),
            _ => *slot = None,
        }
    }

    /// Takes what was written before the hook ended, and no more: a grandchild may go on writing for ever.
    fn drain_rest(&mut self) {
        for stream in 0..self.streams.len() {
            let readable = |fd: &Fd| sys::readable(fd).unwrap_or(0);
            let open = self.streams.get(stream).and_then(Option::as_ref);
            let mut left = open.map_or(0, readable);
            while left > 0 {
                self.drain(stream, left.min(READ_SIZE));
                left = left.saturating_sub(READ_SIZE);
            }
        }
    }
}

/// Kills a hook with its process group and gives it a bounded time to disappear.
fn kill(child: &Child) -> Option<sys::End> {
    child.kill();
    let begin = nanoseconds(Clock::Monotonic);
    loop {
        let passed = nanoseconds(Clock::Monotonic).saturating_sub(begin);
        let mut set = [Readiness::readable(Some(&child.pidfd))];
        let polled = sys::poll(&mut set, Some(KILL_WAIT.saturating_sub(passed)));
        let [entry] = set;
        if entry.is_ready() || polled.is_err() || passed >= KILL_WAIT {
            return child.reap().ok();
        }
    }
}
