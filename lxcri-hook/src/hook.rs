//! One hook: its process, deadline and output, and what is said of it afterwards.

use crate::errno::Errno;
use crate::fail::{self, describe_call, die, finish};
use crate::report;
use crate::sys::{self, Buf, Clock, Fd, Pointers, Poll, Spawn, Str, nanoseconds};
use hook_tree::{Phase, Record, Strings};

/// How much of the end of each stream is kept.
const KEPT: usize = 4096;
/// How much is read from a hook's output at once: the capacity of a pipe.
const READ_SIZE: usize = 64 << 10;
/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// How long a killed hook may take to disappear. Only a process in an uninterruptible wait needs any time.
const KILL_WAIT: u64 = 2 * SECOND;

/// A hook, and the memory that hooks use one after the other.
pub struct Hook {
    /// Its place in the phase.
    pub index: u32,
    phase: Phase,
    /// In seconds; 0 for none.
    pub timeout: u64,
    /// Its working directory.
    pub cwd: Option<Fd>,
    /// What `wait4` said; none when it never ran, or has not disappeared in time after it was killed.
    status: Option<i32>,
    pid: u32,
    /// Nanoseconds since the epoch.
    start: u64,
    /// In nanoseconds.
    duration: u64,
    /// The contents of its files.
    pub cmdline: Buf,
    pub environ: Buf,
    /// Why it could not be run; empty when it could.
    why: Buf,
    output: Output,
    argv: Buf,
    envp: Buf,
}

/// The end of a stream.
struct Tail {
    /// The read end, until the stream's end.
    stream: Option<Fd>,
    bytes: Buf,
}

impl Tail {
    const fn new() -> Tail {
        Tail {
            stream: None,
            bytes: Buf::new(),
        }
    }

    /// Makes the pipe and returns its write end.
    fn open(&mut self) -> Option<Fd> {
        let mut ends = [-1; 2];
        sys::pipe(&mut ends).or_die(fail::SYSTEM, text!("pipe2"), None);
        let [read, write] = ends;
        self.stream = Fd::from_number(read);
        self.bytes.clear();
        Fd::from_number(write)
    }

    /// Reads once; forgets the stream at its end.
    fn drain(&mut self, scratch: &mut Buf, limit: usize) {
        let Some(stream) = self.stream else { return };
        scratch.clear();
        let count = scratch.read_from(stream, limit);
        if count.is_err() || count.number() == 0 {
            return self.close();
        }
        scratch.keep_last(KEPT);
        self.bytes.keep_last(KEPT - scratch.bytes().len());
        self.bytes.push(scratch.bytes());
    }

    /// Takes what was written before the hook ended, and no more: a grandchild may go on writing for ever.
    fn drain_rest(&mut self, scratch: &mut Buf) {
        let mut left = self.stream.map_or(0, sys::readable);
        while left > 0 {
            self.drain(scratch, left.min(READ_SIZE));
            left = left.saturating_sub(READ_SIZE);
        }
        self.close();
    }

    fn close(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.close();
        }
    }
}

/// The output of a hook while it runs.
struct Output {
    timed_out: bool,
    stdout: Tail,
    stderr: Tail,
    scratch: Buf,
}

impl Output {
    /// Drains the output until the hook has ended or its deadline, in nanoseconds, has passed and it was killed. When
    /// nobody waits for the hook any more, it is killed and the launcher ends.
    fn follow(&mut self, hook: &Spawn, mut deadline: u64) -> Option<i32> {
        let pidfd = Fd::from_number(hook.pidfd);
        loop {
            let left = match deadline {
                u64::MAX => deadline,
                _ => deadline.saturating_sub(nanoseconds(Clock::Monotonic)),
            };
            let lifeline = report::lifeline();
            let mut poll = Poll::new([pidfd, self.stdout.stream, self.stderr.stream], lifeline);
            let polled = poll.wait(left);
            if poll.is_ready(0) || (left == 0 && self.timed_out) {
                return hook.reap();
            }
            if left == 0 {
                hook.kill();
                self.timed_out = true;
                deadline = nanoseconds(Clock::Monotonic).saturating_add(KILL_WAIT);
            }
            if poll.is_ready(3) || polled.is_err() {
                hook.kill();
                die(
                    fail::SYNC_LOST,
                    text!("the runtime went away while a hook ran"),
                    None,
                );
            }
            if poll.is_ready(1) {
                self.stdout.drain(&mut self.scratch, READ_SIZE);
            }
            if poll.is_ready(2) {
                self.stderr.drain(&mut self.scratch, READ_SIZE);
            }
        }
    }
}

impl Hook {
    /// A hook of this phase, to be filled in.
    pub const fn new(phase: Phase) -> Hook {
        Hook {
            index: 0,
            phase,
            timeout: 0,
            cwd: None,
            status: None,
            pid: 0,
            start: 0,
            duration: 0,
            cmdline: Buf::new(),
            environ: Buf::new(),
            why: Buf::new(),
            output: Output {
                timed_out: false,
                stdout: Tail::new(),
                stderr: Tail::new(),
                scratch: Buf::new(),
            },
            argv: Buf::new(),
            envp: Buf::new(),
        }
    }

    /// Runs it to its end or its deadline.
    #[inline(never)]
    pub fn run(&mut self, state: Fd) {
        self.start = nanoseconds(Clock::Realtime);
        let begin = nanoseconds(Clock::Monotonic);
        self.status = None;
        self.output.timed_out = false;
        self.why.clear();
        // Both have been checked.
        let (Ok(mut argv), Ok(envp), Some(cwd)) = (
            Strings::parse(self.cmdline.bytes()),
            Strings::parse(self.environ.bytes()),
            self.cwd,
        ) else {
            return;
        };
        let Some(path) = Str::next(&mut argv) else {
            return;
        };
        let ends = [self.output.stdout.open(), self.output.stderr.open()];
        let [stdout, stderr] = ends;
        let mut spawn = Spawn {
            path,
            argv: Pointers::collect(argv, &mut self.argv),
            envp: Pointers::collect(envp, &mut self.envp),
            stdio: [Some(state), stdout, stderr],
            cwd,
            pid: 0,
            pidfd: -1,
            failed: None,
            errno: Errno(0),
        };
        spawn.start();
        // While we hold a write end, the end of the output never shows.
        ends.into_iter().flatten().for_each(Fd::close);
        self.pid = spawn.pid;
        match spawn.failed {
            None => {
                let deadline = match self.timeout {
                    0 => u64::MAX,
                    timeout => begin.saturating_add(timeout.saturating_mul(SECOND)),
                };
                self.status = self.output.follow(&spawn, deadline);
            }
            Some(call) => {
                describe_call(&mut self.why, call, Some(spawn.path), spawn.errno);
                // It has exited: the kernel lets the parent of a vfork go on when the child is gone.
                let _ = spawn.reap();
            }
        }
        let output = &mut self.output;
        output.stdout.drain_rest(&mut output.scratch);
        output.stderr.drain_rest(&mut output.scratch);
        if let Some(pidfd) = Fd::from_number(spawn.pidfd) {
            pidfd.close();
        }
        self.duration = nanoseconds(Clock::Monotonic).saturating_sub(begin);
    }
}

/// What a wait status says: exit status, signal.
fn decode(status: Option<i32>) -> (Option<u8>, Option<u8>) {
    match status {
        None => (None, None),
        Some(status) => match (status & 0x7f) as u8 {
            0 => (Some((status >> 8) as u8), None),
            signal => (None, Some(signal)),
        },
    }
}

impl Hook {
    /// Delivers the record of a hook that ran. When it failed the launcher ends, in poststop after all hooks.
    #[inline(never)]
    pub fn report(&mut self) {
        let Ok(mut argv) = Strings::parse(self.cmdline.bytes()) else {
            return;
        };
        let path = argv.next_bytes().unwrap_or_default();
        let (exit_status, signal) = decode(self.status);
        let why = self.why.bytes();
        let record = Record {
            phase: self.phase,
            index: self.index,
            path,
            argv: core::iter::from_fn(move || argv.next_bytes()),
            pid: self.pid,
            start_ns: self.start,
            duration_ns: self.duration,
            exit_status,
            signal,
            timed_out: self.output.timed_out,
            error: (!why.is_empty()).then_some(why),
            stdout: self.output.stdout.bytes.bytes(),
            stderr: self.output.stderr.bytes.bytes(),
        };
        let line = &mut self.output.scratch;
        line.clear();
        record.encode(&mut |piece| line.push(piece));
        report::deliver(line.bytes());
        let code = match (self.output.timed_out, self.status) {
            (true, _) => fail::HOOK_TIMED_OUT,
            (_, Some(0)) => return,
            (_, Some(_)) => fail::HOOK_FAILED,
            _ => fail::HOOK_NOT_RUN,
        };
        line.clear();
        record.explain(self.timeout, &mut |piece| line.push(piece));
        if !self.phase.continue_on_failure() {
            finish(code, line);
        }
        report::warn(text!("lxcri-hook: "), line.bytes());
    }
}
