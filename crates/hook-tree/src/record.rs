//! What happened to one hook: a line of `hooks.jsonl`, and a line for people when it failed.

use crate::shown::{Value, Writer};
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

/// Greatest number of bytes of a hook's stderr in its failure line.
pub const STDERR_IN_FAILURE: usize = 512;

/// Values in a template: a byte that no text holds stands for each. The launcher has one loop for both lines, in the
/// place of a call for each word.
mod value {
    pub const PHASE: u8 = 1;
    pub const INDEX: u8 = 2;
    pub const PATH: u8 = 3;
    pub const ARGV: u8 = 4;
    pub const PID: u8 = 5;
    pub const START: u8 = 6;
    pub const DURATION: u8 = 7;
    pub const EXIT_STATUS: u8 = 8;
    pub const SIGNAL: u8 = 11;
    pub const TIMED_OUT: u8 = 12;
    pub const ERROR: u8 = 14;
    pub const STDOUT: u8 = 15;
    pub const STDERR: u8 = 16;
    pub const MILLISECONDS: u8 = 17;
    pub const TIMEOUT: u8 = 18;
    pub const SIGNAL_NAME: u8 = 19;
}

/// The whole line: phase, index, path, argv, pid, start, duration, status, signal, timed out, error, stdout, stderr.
const LINE: &str = "{\"phase\":\x01,\"index\":\x02,\"path\":\x03,\"argv\":[\x04],\"pid\":\x05,\
    \"start_ns\":\x06,\"duration_ns\":\x07,\"exit_status\":\x08,\"signal\":\x0b,\"timed_out\":\x0c,\
    \"error\":\x0e,\"stdout\":\x0f,\"stderr\":\x10}\n";

impl<A> Record<'_, A>
where
    A: Clone + IntoIterator,
    A::Item: AsRef<[u8]>,
{
    /// Writes the record as one line of JSON with its newline.
    pub fn encode(&self, sink: Sink) {
        self.fill(LINE, 0, &mut Writer { sink, json: true });
    }

    /// Writes why the hook failed, without a newline, for example
    /// `createRuntime hook #2 (/usr/bin/net-up): exit status 3 after 12 ms: no such device`. `timeout` is in seconds.
    #[inline(never)]
    pub fn explain(&self, timeout: u64, sink: Sink) {
        let line = &mut Writer { sink, json: false };
        self.fill("\x01 hook #\x02 (\x03): ", timeout, line);
        let how = match (self.timed_out, self.signal, self.exit_status) {
            (true, ..) => "timed out after \x12 s",
            (_, Some(signal), _) if signal_name(signal).is_empty() => {
                "killed by signal \x0b after \x11 ms"
            }
            (_, Some(_), _) => "killed by signal \x0b (SIG\x13) after \x11 ms",
            (.., Some(_)) => "exit status \x08 after \x11 ms",
            _ => "cannot be run: \x0e",
        };
        self.fill(how, timeout, line);
        let tail = last_line(self.stderr);
        if !tail.is_empty() {
            (line.sink)(b": ");
            line.write(Value::Text(tail));
        }
    }

    /// Writes a template.
    #[inline(never)]
    fn fill(&self, template: &str, timeout: u64, line: &mut Writer) {
        for byte in template.as_bytes() {
            // Keeps the compiler from reading all fields before the loop, which takes more room than the loop.
            let this = core::hint::black_box(self);
            let value = match *byte {
                value::PHASE => Value::Text(this.phase.oci_name().as_bytes()),
                value::INDEX => Value::Number(this.index.into()),
                value::PATH => Value::Text(this.path),
                value::ARGV => {
                    let mut separator: &[u8] = b"";
                    for argument in this.argv.clone() {
                        (line.sink)(separator);
                        line.write(Value::Text(argument.as_ref()));
                        separator = b",";
                    }
                    Value::Raw(b"")
                }
                value::PID => Value::Number(this.pid.into()),
                value::START => Value::Number(this.start_ns),
                value::DURATION => Value::Number(this.duration_ns),
                value::EXIT_STATUS => Value::small(this.exit_status),
                value::SIGNAL => Value::small(this.signal),
                value::TIMED_OUT => Value::Raw(if this.timed_out { b"true" } else { b"false" }),
                value::ERROR => this.error.map_or(Value::NULL, Value::Text),
                value::STDOUT => Value::Text(this.stdout),
                value::STDERR => Value::Text(this.stderr),
                value::MILLISECONDS => Value::Number(this.duration_ns / 1_000_000),
                value::TIMEOUT => Value::Number(timeout),
                value::SIGNAL_NAME => Value::Raw(this.signal.map_or(b"", signal_name)),
                _ => Value::Raw(core::slice::from_ref(byte)),
            };
            line.write(value);
        }
    }
}

/// The last line that is not blank, at most [`STDERR_IN_FAILURE`] bytes of its end.
fn last_line(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_end();
    let text = text
        .get(text.len().saturating_sub(STDERR_IN_FAILURE)..)
        .unwrap_or_default();
    let end = text.iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
    text.get(end.map_or(0, |end| end + 1)..)
        .unwrap_or_default()
        .trim_ascii_start()
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
