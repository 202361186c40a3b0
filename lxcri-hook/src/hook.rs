//! One hook: its process, deadline and output, and what is said of it afterwards.

use crate::fail::{self, finish, push_errno};
use crate::report;
use crate::sys::{
    self, Buf, Clock, Fd, Pointers, Poll, READ_SIZE, Spawn, Str, Watched, nanoseconds,
};
use hook_tree::{Facts, Phase, Strings, check_hook_environ, encode_failure, encode_record};

/// How much of the end of each stream is kept.
const KEPT: usize = 4096;
/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// How long a killed hook may take to disappear. Only a process in an uninterruptible wait needs any time.
const KILL_WAIT: u64 = 2 * SECOND;

/// A hook, and the memory that hooks use one after the other.
pub struct Hook<'a> {
    /// Its place in the phase.
    pub index: u32,
    phase: Phase,
    cwd: Fd,
    cmdline: &'a [u8],
    /// In seconds; 0 for none.
    timeout: u64,
    /// What `wait4` said; none when it never ran, or has not disappeared in time after it was killed.
    status: Option<i32>,
    pid: u32,
    /// Nanoseconds since the epoch.
    start: u64,
    /// In nanoseconds.
    duration: u64,
    /// Why it could not be run; empty when it could.
    why: Buf,
    output: Output,
    /// What is written of it.
    line: Buf,
    argv: Buf,
    envp: Buf,
}

/// The output of a hook while it runs.
struct Output {
    timed_out: bool,
    /// What is waited for.
    poll: Poll,
    /// The end of each stream.
    stdout: Buf,
    stderr: Buf,
}

impl Output {
    /// Makes the pipes and returns their write ends.
    fn open(&mut self) -> [Fd; 2] {
        self.timed_out = false;
        self.stdout.truncate(0);
        self.stderr.truncate(0);
        [self.poll.stdout.pipe(), self.poll.stderr.pipe()]
    }

    /// Drains the output until the hook has ended or its deadline, in nanoseconds, has passed and it was killed. When
    /// nobody waits for the hook any more, it is killed and the launcher ends.
    #[inline(never)]
    fn follow(&mut self, spawn: &Spawn, mut deadline: u64) -> Option<i32> {
        loop {
            let left = match deadline {
                u64::MAX => deadline,
                _ => deadline.saturating_sub(nanoseconds(Clock::Monotonic)),
            };
            let polled = self.poll.wait(left);
            if self.poll.process.is_ready() || (left == 0 && self.timed_out) {
                return spawn.reap();
            }
            let lost = self.poll.lifeline.is_ready() || polled.is_err();
            if left == 0 || lost {
                spawn.kill();
                if lost {
                    failure!(fail::SYNC_LOST, "the runtime went away while a hook ran").die(b"");
                }
                self.timed_out = true;
                deadline = nanoseconds(Clock::Monotonic).saturating_add(KILL_WAIT);
            }
            if self.poll.stdout.is_ready() {
                drain(&mut self.poll.stdout, &mut self.stdout, READ_SIZE);
            }
            if self.poll.stderr.is_ready() {
                drain(&mut self.poll.stderr, &mut self.stderr, READ_SIZE);
            }
        }
    }

    /// Takes the rest of what was written, and no more: a grandchild may go on writing for ever.
    fn finish(&mut self) {
        drain_rest(&mut self.poll.stdout, &mut self.stdout);
        drain_rest(&mut self.poll.stderr, &mut self.stderr);
        self.poll.process.close();
    }
}

impl<'a> Hook<'a> {
    /// A hook of this phase, to be filled in.
    pub fn new(phase: Phase, cwd: Fd) -> Hook<'a> {
        Hook {
            index: 0,
            phase,
            cwd,
            cmdline: b"",
            timeout: 0,
            status: None,
            pid: 0,
            start: 0,
            duration: 0,
            why: Buf::new(),
            output: Output {
                timed_out: false,
                poll: Poll::new(report::lifeline()),
                stdout: Buf::new(),
                stderr: Buf::new(),
            },
            line: Buf::new(),
            argv: Buf::new(),
            envp: Buf::new(),
        }
    }

    /// Runs it to its end or its deadline. Its files have been checked.
    #[inline(never)]
    pub fn run(&mut self, state: Fd, cmdline: &'a [u8], environ: &'a [u8]) {
        self.cmdline = cmdline;
        let _ = check_hook_environ(environ, &mut self.timeout);
        self.status = None;
        self.start = nanoseconds(Clock::Realtime);
        let begin = nanoseconds(Clock::Monotonic);
        let mut argv = Strings::of(cmdline);
        let envp = Strings::of(environ);
        let path = Str::next(&mut argv).unwrap_or(text!(""));
        let [stdout, stderr] = self.output.open();
        let mut spawn = Spawn {
            path,
            argv: Pointers::collect(argv, &mut self.argv),
            envp: Pointers::collect(envp, &mut self.envp),
            stdio: [state, stdout, stderr],
            cwd: self.cwd,
            pid: 0,
            pidfd: Fd::NONE,
            failed: None,
        };
        spawn.start();
        // While we hold a write end, the end of the output never shows.
        stdout.close();
        stderr.close();
        self.why.truncate(0);
        self.pid = spawn.pid;
        self.output.poll.process.watch(spawn.pidfd);
        if let Some((call, errno)) = spawn.failed {
            self.why.push_text(call);
            self.why.push_text(path);
            self.why.push(b")");
            push_errno(&mut self.why, errno);
            // It has exited: the kernel lets the parent of a vfork go on when the child is gone.
            let _ = spawn.reap();
        } else {
            let deadline = match self.timeout {
                0 => u64::MAX,
                timeout => begin.saturating_add(timeout.saturating_mul(SECOND)),
            };
            self.status = self.output.follow(&spawn, deadline);
        }
        self.output.finish();
        self.duration = nanoseconds(Clock::Monotonic).saturating_sub(begin);
    }

    /// The path and the arguments.
    fn strings(&self) -> Strings<'_> {
        Strings::of(self.cmdline)
    }

    /// Delivers the record of a hook that ran. When it failed the launcher ends, in poststop after all hooks.
    #[inline(never)]
    pub fn report(&mut self) {
        let mut line = core::mem::take(&mut self.line);
        line.truncate(0);
        encode_record(self, &mut line.sink());
        report::deliver(line.bytes());
        let code = match (self.output.timed_out, self.status) {
            (true, _) => fail::HOOK_TIMED_OUT,
            (_, Some(0)) => 0,
            (_, Some(_)) => fail::HOOK_FAILED,
            _ => fail::HOOK_NOT_RUN,
        };
        if code != 0 {
            line.truncate(0);
            encode_failure(self, &mut line.sink());
            if !self.phase.continue_on_failure() {
                finish(code, &line);
            }
            report::warn(text!("lxcri-hook: "), line.bytes());
        }
        self.line = line;
    }
}

/// Reads once; closes the stream at its end.
#[inline(never)]
fn drain(stream: &mut Watched, tail: &mut Buf, limit: usize) {
    let count = tail.read_from(stream.fd(), limit);
    if count.is_err() || count.number() == 0 {
        stream.close();
    }
    tail.keep_last(KEPT);
}

/// Reads what was written before the hook ended, and no more: a grandchild may go on writing for ever.
#[inline(never)]
fn drain_rest(stream: &mut Watched, tail: &mut Buf) {
    if stream.fd() != Fd::NONE {
        let left = sys::readable(stream.fd());
        if left != 0 {
            drain(stream, tail, left);
        }
        stream.close();
    }
}

impl Facts for Hook<'_> {
    fn phase(&self) -> &str {
        self.phase.oci_name()
    }
    fn index(&self) -> u32 {
        self.index
    }
    fn path(&self) -> &[u8] {
        self.strings().next_bytes().unwrap_or_default()
    }
    fn argv(&self) -> impl Iterator<Item = &[u8]> {
        let mut argv = self.strings();
        argv.next_bytes();
        core::iter::from_fn(move || argv.next_bytes())
    }
    fn pid(&self) -> u32 {
        self.pid
    }
    fn start_ns(&self) -> u64 {
        self.start
    }
    fn duration_ns(&self) -> u64 {
        self.duration
    }
    fn exit_status(&self) -> Option<u8> {
        self.status
            .filter(|status| status & 0x7f == 0)
            .map(|status| (status >> 8) as u8)
    }
    fn signal(&self) -> Option<u8> {
        self.status
            .map(|status| status as u8 & 0x7f)
            .filter(|signal| *signal != 0)
    }
    fn timed_out(&self) -> bool {
        self.output.timed_out
    }
    fn timeout(&self) -> u64 {
        self.timeout
    }
    fn error(&self) -> Option<&[u8]> {
        let why = self.why.bytes();
        (!why.is_empty()).then_some(why)
    }
    fn stdout(&self) -> &[u8] {
        self.output.stdout.bytes()
    }
    fn stderr(&self) -> &[u8] {
        self.output.stderr.bytes()
    }
}
