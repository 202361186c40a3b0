//! The one line that says why a hook failed.

use crate::shown::Writer;
use crate::{Phase, Sink};

/// Greatest number of bytes of a hook's stderr in its failure line.
pub const STDERR_IN_FAILURE: usize = 512;

/// How a hook ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<'a> {
    /// It exited with this status.
    Exited(u8),
    /// It was killed by this signal.
    Killed(u8),
    /// Its deadline of so many seconds passed.
    TimedOut(u64),
    /// It could not be run; the text names the system call.
    NotRun(&'a [u8]),
}

/// What a failure line says, for example
/// `createRuntime hook #2 (/usr/bin/net-up): exit status 3 after 12 ms: no such device`.
#[derive(Clone, Copy, Debug)]
pub struct FailureLine<'a> {
    /// The phase the hook ran in.
    pub phase: Phase,
    /// Its place in the phase, from 1.
    pub index: u32,
    /// Path of its executable.
    pub path: &'a [u8],
    /// How it ended.
    pub end: End<'a>,
    /// How long it took, in nanoseconds.
    pub duration_ns: u64,
    /// The end of its standard error.
    pub stderr: &'a [u8],
}

impl FailureLine<'_> {
    /// Writes the line, without a newline.
    pub fn encode(&self, sink: Sink) {
        let mut line = Writer::new(sink);
        line.raw(self.phase.oci_name());
        line.raw(" hook #");
        line.decimal(self.index.into());
        line.raw(" (");
        line.plain(self.path);
        line.raw("): ");
        match self.end {
            End::NotRun(why) => {
                line.raw("cannot be run: ");
                line.plain(why);
            }
            End::TimedOut(seconds) => {
                line.raw("timed out after ");
                line.decimal(seconds);
                line.raw(" s");
            }
            End::Exited(number) | End::Killed(number) => {
                let killed = matches!(self.end, End::Killed(_));
                line.raw(if killed {
                    "killed by signal "
                } else {
                    "exit status "
                });
                line.decimal(number.into());
                let name = signal_name(number);
                if killed && !name.is_empty() {
                    line.raw(" (SIG");
                    line.plain(name);
                    line.raw(")");
                }
                line.raw(" after ");
                line.decimal(self.duration_ns / 1_000_000);
                line.raw(" ms");
            }
        }
        let tail = last_line(self.stderr);
        if !tail.is_empty() {
            line.raw(": ");
            line.plain(tail);
        }
    }
}

/// The last line that is not blank, at most [`STDERR_IN_FAILURE`] bytes of its end.
fn last_line(text: &[u8]) -> &[u8] {
    let mut line: &[u8] = b"";
    let mut rest = text.trim_ascii_end();
    while let [before @ .., byte] = rest {
        if matches!(byte, b'\n' | b'\r') || line.len() == STDERR_IN_FAILURE {
            break;
        }
        line = text
            .get(before.len()..before.len() + line.len() + 1)
            .unwrap_or_default();
        rest = before;
    }
    line.trim_ascii_start()
}

/// The name of a signal without `SIG` on x86_64 and aarch64, where the numbers agree. Empty when it has none.
fn signal_name(signal: u8) -> &'static [u8] {
    const NAMES: &[u8] = b" HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP \
        TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";
    NAMES
        .split(|byte| *byte == b' ')
        .nth(signal.into())
        .unwrap_or_default()
}
