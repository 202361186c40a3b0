//! What happened to one hook: a line of `hooks.jsonl`, and a line for people when it failed.

use crate::Phase;
use crate::shown::{Value, write};

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
    pub argv: &'a [A],
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
    /// Its timeout in seconds, for the line of a hook that has timed out.
    pub timeout: u64,
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

/// What is known of one hook's execution. The launcher answers from the hook itself; [`Record`] is for others.
pub trait Facts {
    /// Name of the phase in the spec.
    fn phase(&self) -> &str;
    /// Its place in the phase, from 1.
    fn index(&self) -> u32;
    /// Path of the executable.
    fn path(&self) -> &[u8];
    /// Its arguments from argv\[0\] on.
    fn argv(&self) -> impl Iterator<Item = &[u8]>;
    /// Its process id; 0 when no process could be made.
    fn pid(&self) -> u32;
    /// When it was started, in nanoseconds since the epoch.
    fn start_ns(&self) -> u64;
    /// How long it took, in nanoseconds.
    fn duration_ns(&self) -> u64;
    /// Its exit status, when it ended by itself.
    fn exit_status(&self) -> Option<u8>;
    /// The signal that killed it.
    fn signal(&self) -> Option<u8>;
    /// Whether its deadline passed.
    fn timed_out(&self) -> bool;
    /// Its timeout in seconds.
    fn timeout(&self) -> u64;
    /// Why it could not be run.
    fn error(&self) -> Option<&[u8]>;
    /// The end of its standard output.
    fn stdout(&self) -> &[u8];
    /// The end of its standard error.
    fn stderr(&self) -> &[u8];
}

/// Writes a record as one line of JSON with its newline.
pub fn encode_record<F: Facts, S: FnMut(&[u8]) + ?Sized>(facts: &F, sink: &mut S) {
    fill(facts, LINE, true, sink);
}

/// Writes why a hook failed, without a newline, for example
/// `createRuntime hook #2 (/usr/bin/net-up): exit status 3 after 12 ms: no such device`.
pub fn encode_failure<F: Facts, S: FnMut(&[u8]) + ?Sized>(facts: &F, sink: &mut S) {
    let how = match (facts.timed_out(), facts.signal(), facts.exit_status()) {
        (true, ..) => "\x01 hook #\x02 (\x03): timed out after \x12 s",
        (_, Some(signal), _) if signal_name(signal).is_empty() => {
            "\x01 hook #\x02 (\x03): killed by signal \x0b after \x11 ms"
        }
        (_, Some(_), _) => "\x01 hook #\x02 (\x03): killed by signal \x0b (SIG\x13) after \x11 ms",
        (.., Some(_)) => "\x01 hook #\x02 (\x03): exit status \x08 after \x11 ms",
        _ => "\x01 hook #\x02 (\x03): cannot be run: \x0e",
    };
    fill(facts, how, false, sink);
    let tail = last_line(facts.stderr());
    if !tail.is_empty() {
        sink(b": ");
        write(Value::Text(tail), false, sink);
    }
}

/// Writes a template.
#[inline(never)]
fn fill<F: Facts, S: FnMut(&[u8]) + ?Sized>(facts: &F, template: &str, json: bool, sink: &mut S) {
    for byte in template.as_bytes() {
        // Keeps the compiler from reading all facts before the loop, which takes more room than the loop.
        let facts = core::hint::black_box(facts);
        let value = match *byte {
            value::PHASE => Value::Text(facts.phase().as_bytes()),
            value::INDEX => Value::Number(facts.index().into()),
            value::PATH => Value::Text(facts.path()),
            value::ARGV => {
                let mut separator: &[u8] = b"";
                for argument in facts.argv() {
                    sink(separator);
                    write(Value::Text(argument), json, sink);
                    separator = b",";
                }
                continue;
            }
            value::PID => Value::Number(facts.pid().into()),
            value::START => Value::Number(facts.start_ns()),
            value::DURATION => Value::Number(facts.duration_ns()),
            value::EXIT_STATUS => Value::small(facts.exit_status()),
            value::SIGNAL => Value::small(facts.signal()),
            value::TIMED_OUT => Value::Raw(if facts.timed_out() { b"true" } else { b"false" }),
            value::ERROR => facts.error().map_or(Value::NULL, Value::Text),
            value::STDOUT => Value::Text(facts.stdout()),
            value::STDERR => Value::Text(facts.stderr()),
            value::MILLISECONDS => Value::Number(facts.duration_ns() / 1_000_000),
            value::TIMEOUT => Value::Number(facts.timeout()),
            value::SIGNAL_NAME => Value::Raw(facts.signal().map_or(b"", signal_name)),
            _ => Value::Raw(core::slice::from_ref(byte)),
        };
        write(value, json, sink);
    }
}

impl<A: AsRef<[u8]>> Facts for Record<'_, A> {
    fn phase(&self) -> &str {
        self.phase.oci_name()
    }
    fn index(&self) -> u32 {
        self.index
    }
    fn path(&self) -> &[u8] {
        self.path
    }
    fn argv(&self) -> impl Iterator<Item = &[u8]> {
        self.argv.iter().map(A::as_ref)
    }
    fn pid(&self) -> u32 {
        self.pid
    }
    fn start_ns(&self) -> u64 {
        self.start_ns
    }
    fn duration_ns(&self) -> u64 {
        self.duration_ns
    }
    fn exit_status(&self) -> Option<u8> {
        self.exit_status
    }
    fn signal(&self) -> Option<u8> {
        self.signal
    }
    fn timed_out(&self) -> bool {
        self.timed_out
    }
    fn timeout(&self) -> u64 {
        self.timeout
    }
    fn error(&self) -> Option<&[u8]> {
        self.error
    }
    fn stdout(&self) -> &[u8] {
        self.stdout
    }
    fn stderr(&self) -> &[u8] {
        self.stderr
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
    const NAMES: &[u8] = b"\x81HUP\x82INT\x83QUIT\x84ILL\x85TRAP\x86ABRT\x87BUS\x88FPE\x89KILL\x8aUSR1\x8bSEGV\x8cUSR2\
        \x8dPIPE\x8eALRM\x8fTERM\x90STKFLT\x91CHLD\x92CONT\x93STOP\x94TSTP\x95TTIN\x96TTOU\x97URG\x98XCPU\x99XFSZ\
        \x9aVTALRM\x9bPROF\x9cWINCH\x9dIO\x9ePWR\x9fSYS";
    crate::lookup(NAMES, signal)
}
