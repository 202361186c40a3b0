//! Runs the hooks of one phase in order.

use crate::dir::Dir;
use crate::fail::{self, Failure, Result};
use crate::hook::{self, End, Memory, Outcome, Surroundings};
use crate::report::Report;
use crate::start::Start;
use crate::sys::{self, Buf, Fd, open};
use crate::tree::{Above, Tree};
use core::ffi::CStr;
use hook_tree::{Cmdline, End as ShownEnd, FailureLine, Phase, Record, Sink};

/// Runs a phase with nobody waiting: a container that LXC alone manages, or poststop.
pub fn run_alone(phase: Phase, dir_name: &[u8], start: &Start) -> Result<()> {
    let dir = Dir::open(dir_name)?;
    let above = Above::open(&dir, phase)?;
    let tree = above.tree()?;
    if tree.count == 0 {
        return Ok(());
    }
    let rootfs = match phase {
        Phase::CreateContainer => start.env("LXC_ROOTFS_MOUNT").map(CStr::to_bytes),
        _ => None,
    };
    run(&tree, b"", rootfs, &mut Report::log(&dir))
}

/// Opens the working directory of a phase's hooks: what the runtime says, else what the tree says, else what LXC says,
/// else the root directory.
fn working_directory(tree: &Tree, from_runtime: &[u8], from_lxc: Option<&[u8]>) -> Result<Fd> {
    let mut path = Buf::new();
    if !from_runtime.is_empty() {
        path.append(&[from_runtime, b"\0"]);
    } else if !tree.read_cwd(&mut path)? {
        path.append(&[from_lxc.unwrap_or(b"/"), b"\0"]);
    }
    let name = CStr::from_bytes_until_nul(path.bytes()).unwrap_or_default();
    let place = |name| sys::openat(None, name, open::PATH | open::DIRECTORY);
    match place(name) {
        // A bundle may be gone when the container is deleted; its hooks have to clean up all the same.
        Err(_) if tree.phase == Phase::Poststop => place(c"/"),
        other => other,
    }
    .map_err(|errno| Failure::of_call(fail::DIRECTORY, b"open", name.to_bytes(), errno))
}

/// Runs all hooks of an opened tree. The first failure ends the phase, except in poststop.
///
/// # Errors
/// The failed hook, or a defect of the tree. Every file is checked before the first hook runs.
pub fn run(
    tree: &Tree,
    from_runtime: &[u8],
    from_lxc: Option<&[u8]>,
    report: &mut Report,
) -> Result<()> {
    let mut runner = Runner {
        cmdline: Buf::new(),
        environ: Buf::new(),
        memory: Memory::new(),
        line: Buf::new(),
    };
    for index in 1..=tree.count {
        tree.load(index, &mut runner.cmdline, &mut runner.environ)?;
    }
    drop(tree.open_state()?);
    let cwd = working_directory(tree, from_runtime, from_lxc)?;
    for index in 1..=tree.count {
        match runner.run(tree, index, &cwd, report) {
            Ok(()) => {}
            Err(failure) if tree.phase.continue_on_failure() => failure.print(),
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// The memory that hooks use one after the other.
struct Runner {
    cmdline: Buf,
    environ: Buf,
    memory: Memory,
    line: Buf,
}

impl Runner {
    /// Runs one hook and reports it.
    fn run(&mut self, tree: &Tree, index: u32, cwd: &Fd, report: &mut Report) -> Result<()> {
        let (cmdline, environ) = tree.load(index, &mut self.cmdline, &mut self.environ)?;
        let state = tree.open_state()?;
        let around = Surroundings {
            state: &state,
            cwd,
            lifeline: report.lifeline(),
        };
        let outcome = hook::run(&cmdline, &environ, &around, &mut self.memory)?;
        let ran = Ran {
            phase: tree.phase,
            index,
            cmdline,
            outcome,
            output: &self.memory.tails,
        };
        self.line.clear();
        ran.record(&mut |piece| self.line.append(&[piece]));
        report.deliver(self.line.bytes())?;
        ran.judge()
    }
}

/// A hook that ran.
struct Ran<'a> {
    phase: Phase,
    index: u32,
    cmdline: Cmdline<'a>,
    outcome: Outcome,
    output: &'a [Buf; 2],
}

impl Ran<'_> {
    /// Writes its record.
    fn record(&self, sink: Sink) {
        let (ended, timed_out, error) = match &self.outcome.end {
            End::Ended(end) => (Some(end), false, None),
            End::TimedOut(end, _) => (end.as_ref(), true, None),
            End::NotRun(why) => (None, false, Some(why.text())),
        };
        let (exit_status, signal) = match ended {
            Some(sys::End::Exited(status)) => (Some(*status), None),
            Some(sys::End::Killed(signal)) => (None, Some(*signal)),
            None => (None, None),
        };
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
            timed_out,
            error,
            stdout: stdout.bytes(),
            stderr: stderr.bytes(),
        };
        record.encode(sink);
    }

    /// Says whether it succeeded and, if not, why.
    fn judge(&self) -> Result<()> {
        let (code, end) = match &self.outcome.end {
            End::Ended(sys::End::Exited(0)) => return Ok(()),
            End::Ended(sys::End::Exited(status)) => (fail::HOOK_FAILED, ShownEnd::Exited(*status)),
            End::Ended(sys::End::Killed(signal)) => (fail::HOOK_FAILED, ShownEnd::Killed(*signal)),
            End::TimedOut(_, seconds) => (fail::HOOK_TIMED_OUT, ShownEnd::TimedOut(*seconds)),
            End::NotRun(why) => (fail::HOOK_NOT_RUN, ShownEnd::NotRun(why.text())),
        };
        let [_, stderr] = self.output;
        let line = FailureLine {
            phase: self.phase,
            index: self.index,
            path: self.cmdline.path().to_bytes(),
            end,
            duration_ns: self.outcome.duration_ns,
            stderr: stderr.bytes(),
        };
        let mut failure = Failure::new(code, &[]);
        line.encode(&mut |piece| failure.append(&[piece]));
        Err(failure)
    }
}
