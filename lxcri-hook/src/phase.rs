//! Runs the hooks of one phase in order.

use crate::dir::Dir;
use crate::fail::{self, OrDie, die};
use crate::hook::{self, End, Memory, Outcome, Surroundings};
use crate::report::{self, Listener};
use crate::start::Start;
use crate::sys::{self, Buf, Fd, open};
use crate::tree::Tree;
use core::ffi::CStr;
use hook_tree::{Cmdline, End as ShownEnd, FailureLine, Phase, Record, Sink};

/// Runs a phase with nobody waiting: a container that LXC alone manages, or poststop.
pub fn run_alone(phase: Phase, dir_name: &[u8], start: &Start) {
    let dir = Dir::open(dir_name);
    Tree::with(&dir, phase, |tree| {
        let rootfs = match phase {
            Phase::CreateContainer => start.env("LXC_ROOTFS_MOUNT"),
            _ => None,
        };
        run(tree, b"", rootfs, Listener::log(&dir));
    });
}

/// Opens the working directory of a phase's hooks: what the runtime says, else what the tree says, else what LXC says,
/// else the root directory.
fn working_directory(tree: &Tree, from_runtime: &[u8], from_lxc: Option<&CStr>) -> Fd {
    let mut path = Buf::new();
    if !from_runtime.is_empty() {
        path.append(&[from_runtime, b"\0"]);
    } else if !tree.read_cwd(&mut path) {
        path.append(&[from_lxc.unwrap_or(c"/").to_bytes(), b"\0"]);
    }
    let place = |name| sys::openat(None, name, open::PATH | open::DIRECTORY);
    match place(path.string()) {
        // A bundle may be gone when the container is deleted; its hooks have to clean up all the same.
        Err(_) if tree.phase == Phase::Poststop => place(c"/"),
        other => other,
    }
    .or_die(fail::DIRECTORY, b"open", path.string().to_bytes())
}

/// Runs all hooks of an opened tree. The first failure ends the phase and the launcher, except in poststop. Every file
/// is checked before the first hook runs.
pub fn run(tree: &Tree, from_runtime: &[u8], from_lxc: Option<&CStr>, mut listener: Listener) {
    let mut cmdline = Buf::new();
    let mut environ = Buf::new();
    let mut line = Buf::new();
    let mut memory = Memory::new();
    for index in 1..=tree.count {
        tree.load(index, &mut cmdline, &mut environ);
    }
    tree.open_state().close();
    let cwd = working_directory(tree, from_runtime, from_lxc);
    for index in 1..=tree.count {
        let (cmdline, environ) = tree.load(index, &mut cmdline, &mut environ);
        let around = Surroundings {
            state: tree.open_state(),
            cwd,
            lifeline: listener.lifeline(),
        };
        let outcome = hook::run(&cmdline, &environ, &around, &mut memory);
        around.state.close();
        let ran = Ran {
            phase: tree.phase,
            index,
            cmdline,
            outcome,
            output: &memory.tails,
            why: &memory.why,
        };
        line.clear();
        ran.record(&mut |piece| line.push(piece));
        listener.deliver(line.bytes());
        if let Some(code) = ran.failure() {
            line.clear();
            ran.explain(&mut |piece| line.push(piece));
            if !tree.phase.continue_on_failure() {
                die(code, &[line.bytes()]);
            }
            report::warn(line.bytes());
        }
    }
}

/// A hook that ran.
struct Ran<'a> {
    phase: Phase,
    index: u32,
    cmdline: Cmdline<'a>,
    outcome: Outcome,
    output: &'a [Buf; 2],
    why: &'a Buf,
}

impl Ran<'_> {
    fn status(&self) -> (Option<u8>, Option<u8>) {
        match self.outcome.status {
            Some(sys::End::Exited(status)) => (Some(status), None),
            Some(sys::End::Killed(signal)) => (None, Some(signal)),
            None => (None, None),
        }
    }

    /// Writes its record.
    fn record(&self, sink: Sink) {
        let (exit_status, signal) = self.status();
        let [stdout, stderr] = self.output;
        let record = Record {
            phase: self.phase,
            index: self.index,
            path: self.cmdline.path().to_bytes(),
            argv: self.cmdline.argv().map(CStr::to_bytes),
            pid: self.outcome.pid,
            start_ns: self.outcome.start_ns,
            duration_ns: self.outcome.duration_ns,
            exit_status,
            signal,
            timed_out: matches!(self.outcome.end, End::TimedOut(_)),
            error: matches!(self.outcome.end, End::NotRun).then(|| self.why.bytes()),
            stdout: stdout.bytes(),
            stderr: stderr.bytes(),
        };
        record.encode(sink);
    }

    /// The launcher's exit code if it failed.
    fn failure(&self) -> Option<u8> {
        match (self.outcome.end, self.status()) {
            (End::TimedOut(_), _) => Some(fail::HOOK_TIMED_OUT),
            (End::NotRun, _) => Some(fail::HOOK_NOT_RUN),
            (End::Ended, (Some(0), _)) => None,
            (End::Ended, _) => Some(fail::HOOK_FAILED),
        }
    }

    /// Writes why it failed.
    fn explain(&self, sink: Sink) {
        let [_, stderr] = self.output;
        let line = FailureLine {
            phase: self.phase,
            index: self.index,
            path: self.cmdline.path().to_bytes(),
            end: match (self.outcome.end, self.status()) {
                (End::TimedOut(seconds), _) => ShownEnd::TimedOut(seconds),
                (End::Ended, (Some(status), _)) => ShownEnd::Exited(status),
                (End::Ended, (_, Some(signal))) => ShownEnd::Killed(signal),
                _ => ShownEnd::NotRun(self.why.bytes()),
            },
            duration_ns: self.outcome.duration_ns,
            stderr: stderr.bytes(),
        };
        line.encode(sink);
    }
}
