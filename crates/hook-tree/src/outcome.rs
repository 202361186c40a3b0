//! The one line that says why a hook failed.

use crate::{Phase, Sink, decimal};

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
        sink(self.phase.oci_name().as_bytes());
        sink(b" hook #");
        decimal(self.index.into(), sink);
        sink(b" (");
        printable(self.path, sink);
        sink(b"): ");
        match self.end {
            End::Exited(status) => {
                sink(b"exit status ");
                decimal(status.into(), sink);
                self.after(sink);
            }
            End::Killed(signal) => {
                sink(b"killed by signal ");
                decimal(signal.into(), sink);
                if let Some(name) = signal_name(signal) {
                    sink(b" (");
                    sink(name.as_bytes());
                    sink(b")");
                }
                self.after(sink);
            }
            End::TimedOut(seconds) => {
                sink(b"timed out after ");
                decimal(seconds, sink);
                sink(b" s");
            }
            End::NotRun(why) => {
                sink(b"cannot be run: ");
                printable(why, sink);
            }
        }
        let tail = last_line(self.stderr);
        if !tail.is_empty() {
            sink(b": ");
            printable(tail, sink);
        }
    }

    fn after(&self, sink: Sink) {
        sink(b" after ");
        decimal(self.duration_ns / 1_000_000, sink);
        sink(b" ms");
    }
}

/// The last line that is not blank, at most [`STDERR_IN_FAILURE`] bytes of its end.
fn last_line(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_end();
    let line = text
        .rsplit(|byte| matches!(byte, b'\n' | b'\r'))
        .next()
        .unwrap_or_default();
    let line = line
        .get(line.len().saturating_sub(STDERR_IN_FAILURE)..)
        .unwrap_or_default();
    line.trim_ascii_start()
}

/// Writes text for a terminal or a log: control characters as `\xXX`, invalid UTF-8 as U+FFFD.
fn printable(text: &[u8], sink: Sink) {
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            // C1 controls can drive a terminal just as C0 controls can.
            if character.is_control() {
                sink(b"\\x");
                if (character as u32) < 16 {
                    sink(b"0");
                }
                crate::radix(character.into(), 16, sink);
            } else {
                sink(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        if !chunk.invalid().is_empty() {
            sink("\u{fffd}".as_bytes());
        }
    }
}

/// The name of a signal on x86_64 and aarch64, where the numbers agree.
fn signal_name(signal: u8) -> Option<&'static str> {
    const NAMES: [&str; 31] = [
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    NAMES.get(usize::from(signal).checked_sub(1)?).copied()
}
