//! The one line that says why a hook failed.

use crate::record::encode_failure;
use crate::{Phase, Record, Sink};

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
        let (mut exit_status, mut signal, mut error, mut timeout) = (None, None, None, None);
        match self.end {
            End::Exited(status) => exit_status = Some(status),
            End::Killed(number) => signal = Some(number),
            End::TimedOut(seconds) => timeout = Some(seconds),
            End::NotRun(why) => error = Some(why),
        }
        let record = Record {
            phase: self.phase,
            index: self.index,
            path: self.path,
            argv: &[[0u8; 0]; 0],
            pid: 0,
            start_ns: 0,
            duration_ns: self.duration_ns,
            exit_status,
            signal,
            timed_out: timeout.is_some(),
            timeout: timeout.unwrap_or(0),
            error,
            stdout: b"",
            stderr: self.stderr,
        };
        encode_failure(&record, sink);
    }
}
