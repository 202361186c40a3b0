//! One line of `hooks.jsonl`: what happened to one hook.

use crate::{Phase, Sink, json};

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
        sink(b"{\"phase\":");
        json::string(self.phase.oci_name().as_bytes(), sink);
        sink(b",\"index\":");
        crate::decimal(self.index.into(), sink);
        sink(b",\"path\":");
        json::string(self.path, sink);
        sink(b",\"argv\":[");
        for (index, argument) in self.argv.clone().into_iter().enumerate() {
            if index > 0 {
                sink(b",");
            }
            json::string(argument.as_ref(), sink);
        }
        sink(b"],\"pid\":");
        crate::decimal(self.pid.into(), sink);
        sink(b",\"start_ns\":");
        crate::decimal(self.start_ns, sink);
        sink(b",\"duration_ns\":");
        crate::decimal(self.duration_ns, sink);
        sink(b",\"exit_status\":");
        json::number_or_null(self.exit_status.map(u64::from), sink);
        sink(b",\"signal\":");
        json::number_or_null(self.signal.map(u64::from), sink);
        sink(b",\"timed_out\":");
        sink(if self.timed_out { b"true" } else { b"false" });
        sink(b",\"error\":");
        json::string_or_null(self.error, sink);
        sink(b",\"stdout\":");
        json::string(self.stdout, sink);
        sink(b",\"stderr\":");
        json::string(self.stderr, sink);
        sink(b"}\n");
    }
}
