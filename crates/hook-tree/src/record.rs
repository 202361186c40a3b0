//! One line of `hooks.jsonl`: what happened to one hook.

use crate::shown::Writer;
use crate::{Phase, Sink};

/// The record of one hook's execution.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a, A> {
    /// The phase it ran in.
    pub phase: Phase,
    /// Its place in the phase, from 1.
    pub index: u32,
    /// Path of the executable.
    pub path: &'a [u8],
    /// Its arguments from argv\[0\] on.
    pub argv: A,
    /// Its process id in the namespace of whoever ran it; 0 when no process could be made.
    pub pid: u32,
    /// When it was started, in nanoseconds since the epoch.
    pub start_ns: u64,
    /// How long it took, in nanoseconds of the monotonic clock.
    pub duration_ns: u64,
    /// Its exit status, when it ended by itself.
    pub exit_status: Option<u8>,
    /// The signal that killed it.
    pub signal: Option<u8>,
    /// Whether its deadline passed.
    pub timed_out: bool,
    /// Why it could not be run.
    pub error: Option<&'a [u8]>,
    /// The end of its standard output.
    pub stdout: &'a [u8],
    /// The end of its standard error.
    pub stderr: &'a [u8],
}

impl<'a, A> Record<'a, A>
where
    A: Clone + IntoIterator,
    A::Item: AsRef<[u8]>,
{
    /// Writes the record as one line of JSON with its newline.
    pub fn encode(&self, sink: Sink) {
        let mut line = Writer::new(sink);
        line.string("phase", self.phase.oci_name().as_bytes());
        line.number("index", self.index.into());
        line.string("path", self.path);
        line.key("argv");
        let mut separator = "[";
        for argument in self.argv.clone() {
            line.raw(separator);
            line.json(argument.as_ref());
            separator = ",";
        }
        line.raw(if separator == "[" { "[]" } else { "]" });
        line.number("pid", self.pid.into());
        line.number("start_ns", self.start_ns);
        line.number("duration_ns", self.duration_ns);
        line.number_or_null("exit_status", self.exit_status);
        line.number_or_null("signal", self.signal);
        line.key("timed_out");
        line.raw(if self.timed_out { "true" } else { "false" });
        match self.error {
            Some(error) => line.string("error", error),
            None => line.number_or_null("error", None),
        }
        line.string("stdout", self.stdout);
        line.string("stderr", self.stderr);
        line.raw("}\n");
    }
}
