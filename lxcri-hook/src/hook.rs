//! Runs one hook: process, deadline, output.

use crate::fail::{self, OrDie, die};
use crate::sys::{self, Buf, Child, Clock, Fd, Pointers, Readiness, Spawn, nanoseconds};
use hook_tree::{Cmdline, Environ};

/// How much of the end of each stream is kept.
const KEPT: usize = 4096;
/// How much is read from a hook's output at once: the capacity of a pipe.
const READ_SIZE: usize = 64 << 10;
/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// How long a killed hook may take to disappear. Only a process in an uninterruptible wait needs any time.
const KILL_WAIT: u64 = 2 * SECOND;

/// How a hook ended.
#[derive(Clone, Copy)]
pub enum End {
    /// By itself or by a signal that was not ours.
    Ended,
    /// Its deadline of so many seconds passed.
    TimedOut(u64),
    /// It could not be run; [`Memory::why`] says why.
    NotRun,
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
    /// Its status, if it was a process and has disappeared in time.
    pub status: Option<sys::End>,
}

/// The memory that hooks use one after the other.
pub struct Memory {
    /// The ends of a hook's stdout and stderr.
    pub tails: [Buf; 2],
    /// Why it could not be run.
    pub why: Buf,
    scratch: Buf,
    argv: Buf,
    envp: Buf,
}

impl Memory {
    /// No memory yet.
    pub const fn new() -> Memory {
        Memory {
            tails: [Buf::new(), Buf::new()],
            why: Buf::new(),
            scratch: Buf::new(),
            argv: Buf::new(),
            envp: Buf::new(),
        }
    }
}

/// What a hook gets besides its own files.
pub struct Surroundings {
    /// Its stdin.
    pub state: Fd,
    /// Its working directory.
    pub cwd: Fd,
    /// A descriptor that hangs up when whoever waits for the hook is gone.
    pub lifeline: Option<Fd>,
}

/// Runs a hook to its end or its deadline.
pub fn run(
    cmdline: &Cmdline,
    environ: &Environ,
    around: &Surroundings,
    memory: &mut Memory,
) -> Outcome {
    memory.tails.iter_mut().for_each(Buf::clear);
    memory.why.clear();
    let begin = nanoseconds(Clock::Monotonic);
    let start_ns = nanoseconds(Clock::Realtime);
    let pipe = || sys::pipe().or_die(fail::SYSTEM, b"pipe2", b"");
    let (stdout, stdout_end) = pipe();
    let (stderr, stderr_end) = pipe();
    let spawn = Spawn {
        path: cmdline.path(),
        argv: Pointers::collect(cmdline.argv(), &mut memory.argv),
        envp: Pointers::collect(environ.entries(), &mut memory.envp),
        stdio: [around.state, stdout_end, stderr_end],
        cwd: around.cwd,
    };
    let started = spawn.start();
    // While we hold a write end, the end of the output never shows.
    stdout_end.close();
    stderr_end.close();
    let mut watch = Watch {
        streams: [Some(stdout), Some(stderr)],
        tails: &mut memory.tails,
        scratch: &mut memory.scratch,
    };
    let (pid, end, status) = match started {
        Ok(child) => {
            let deadline = environ
                .timeout()
                .map(|seconds| begin.saturating_add(seconds.saturating_mul(SECOND)));
            let (timed_out, status) = watch.follow(&child, deadline, around.lifeline);
            watch.drain_rest();
            child.pidfd.close();
            let seconds = environ.timeout().unwrap_or(0);
            let end = if timed_out {
                End::TimedOut(seconds)
            } else {
                End::Ended
            };
            (child.pid, end, status)
        }
        Err(error) => {
            let path = cmdline.path().to_bytes();
            let argument = if error.of_program { path } else { b"" };
            fail::push_call(&mut memory.why, error.call, argument, error.errno);
            (error.pid, End::NotRun, None)
        }
    };
    for stream in watch.streams.into_iter().flatten() {
        stream.close();
    }
    Outcome {
        pid,
        start_ns,
        duration_ns: nanoseconds(Clock::Monotonic).saturating_sub(begin),
        end,
        status,
    }
}

/// The output of a running hook.
struct Watch<'a> {
    /// The read ends of stdout and stderr until their ends.
    streams: [Option<Fd>; 2],
    tails: &'a mut [Buf; 2],
    scratch: &'a mut Buf,
}

impl Watch<'_> {
    /// Drains the output until the hook has ended or its deadline, in nanoseconds, has passed. Returns whether it has
    /// passed, and the hook's status. When nobody waits for the hook any more, it is killed and the launcher ends.
    fn follow(
        &mut self,
        child: &Child,
        deadline: Option<u64>,
        lifeline: Option<Fd>,
    ) -> (bool, Option<sys::End>) {
        loop {
            let left =
                deadline.map(|deadline| deadline.saturating_sub(nanoseconds(Clock::Monotonic)));
            let [stdout, stderr] = self.streams;
            let mut set = [
                Readiness::readable(Some(child.pidfd)),
                Readiness::readable(stdout),
                Readiness::readable(stderr),
                Readiness::gone(lifeline),
            ];
            let polled = sys::poll(&mut set, left);
            let [ended, stdout, stderr, gone] = set;
            if ended.is_ready() {
                return (false, child.reap().ok());
            }
            if left == Some(0) {
                return (true, kill(child));
            }
            if gone.is_ready() || polled.is_err() {
                kill(child);
                die(
                    fail::SYNC_LOST,
                    &[b"the runtime went away while a hook ran"],
                );
            }
            for (stream, ready) in [stdout, stderr].into_iter().enumerate() {
                if ready.is_ready() {
                    self.drain(stream, READ_SIZE);
                }
            }
        }
    }

    /// Reads once; forgets the stream at its end.
    fn drain(&mut self, stream: usize, limit: usize) {
        if let Some(slot) = self.streams.get_mut(stream)
            && let Some(tail) = self.tails.get_mut(stream)
            && let Some(fd) = *slot
        {
            self.scratch.clear();
            match self.scratch.read_from(fd, limit) {
                Ok(count) if count > 0 => keep(tail, self.scratch.bytes()),
                _ => {
                    fd.close();
                    *slot = None;
                }
            }
        }
    }

    /// Takes what was written before the hook ended, and no more: a grandchild may go on writing for ever.
    fn drain_rest(&mut self) {
        for stream in 0..self.streams.len() {
            let readable = |fd: &Fd| sys::readable(*fd).unwrap_or(0);
            let open = self.streams.get(stream).and_then(Option::as_ref);
            let mut left = open.map_or(0, readable);
            while left > 0 {
                self.drain(stream, left.min(READ_SIZE));
                left = left.saturating_sub(READ_SIZE);
            }
        }
    }
}

/// Takes the next piece of a stream, and keeps the last [`KEPT`] bytes.
fn keep(tail: &mut Buf, piece: &[u8]) {
    let piece = piece
        .get(piece.len().saturating_sub(KEPT)..)
        .unwrap_or_default();
    tail.discard_front((tail.bytes().len() + piece.len()).saturating_sub(KEPT));
    tail.push(piece);
}

/// Kills a hook with its process group and gives it a bounded time to disappear.
fn kill(child: &Child) -> Option<sys::End> {
    child.kill();
    let begin = nanoseconds(Clock::Monotonic);
    loop {
        let passed = nanoseconds(Clock::Monotonic).saturating_sub(begin);
        let mut set = [Readiness::readable(Some(child.pidfd))];
        let polled = sys::poll(&mut set, Some(KILL_WAIT.saturating_sub(passed)));
        let [entry] = set;
        if entry.is_ready() || polled.is_err() || passed >= KILL_WAIT {
            return child.reap().ok();
        }
    }
}
