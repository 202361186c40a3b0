//! Failures of the launcher: the table of exit codes, and the line on stderr.
//!
//! Codes 20 to 49 are defects of the hook tree and belong to [`hook_tree::TreeError`]; 128+n means that init was ended
//! by signal n while it waited.

use crate::errno::Errno;
use crate::sys;

/// A fault in the launcher itself.
pub const INTERNAL: u8 = 1;
/// Wrong arguments.
pub const USAGE: u8 = 2;
/// Without arguments: `LXC_HOOK_TYPE` or `LXC_CONFIG_FILE` is missing or names no phase of the launcher.
pub const NO_CONTEXT: u8 = 3;
/// No memory.
pub const NO_MEMORY: u8 = 4;
/// A system call failed that has nothing to do with the tree.
pub const SYSTEM: u8 = 5;
/// A directory of the tree, or a hook's working directory, cannot be opened.
pub const DIRECTORY: u8 = 6;
/// A file of the tree cannot be opened or read.
pub const ACCESS: u8 = 7;
/// A file of the tree is missing.
pub const MISSING: u8 = 8;
/// A file or directory of the tree is of another type.
pub const WRONG_TYPE: u8 = 9;
/// `state.json` is missing or cannot be opened.
pub const NO_STATE: u8 = 10;
/// A hook exited with a status other than 0 or was killed.
pub const HOOK_FAILED: u8 = 11;
/// A hook could not be run.
pub const HOOK_NOT_RUN: u8 = 12;
/// A hook's deadline passed.
pub const HOOK_TIMED_OUT: u8 = 13;
/// The sync socket cannot be connected to.
pub const SYNC_CONNECT: u8 = 14;
/// The runtime went away.
pub const SYNC_LOST: u8 = 15;
/// The runtime sent what the protocol does not allow here.
pub const SYNC_UNEXPECTED: u8 = 16;
/// A setting of the container process could not be applied.
pub const SETTING: u8 = 17;
/// The user's program could not be executed.
pub const PROGRAM: u8 = 18;

/// Result of everything that can fail.
pub type Result<T> = core::result::Result<T, Failure>;

/// An exit code and one line that says why. One pointer wide, because every function returns it.
pub struct Failure(sys::Page<Report>);

struct Report {
    code: u8,
    told: bool,
    len: usize,
    text: [u8; TEXT],
}

/// A longer line is cut. The page also holds the fields before the text.
const TEXT: usize = 4096 - 2 * size_of::<usize>();

impl Failure {
    /// A failure with this text.
    pub fn new(code: u8, pieces: &[&[u8]]) -> Failure {
        let mut failure = Failure(sys::Page::new(Report {
            code,
            told: false,
            len: 0,
            text: [0; TEXT],
        }));
        failure.append(pieces);
        failure
    }

    /// A failed system call, shown with its argument: `openat(/x/cmdline): permission denied (EACCES)`.
    pub fn of_call(code: u8, call: &[u8], argument: &[u8], errno: Errno) -> Failure {
        let mut failure = Failure::new(code, &[call, b"(", argument, b"): "]);
        failure.append_errno(errno);
        failure
    }

    /// For `map_err`: a failed system call with nothing to add to its name.
    pub fn call(code: u8, call: &'static [u8]) -> impl FnOnce(Errno) -> Failure {
        move |errno| Failure::of_call(code, call, b"", errno)
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.0.code
    }

    /// The line, without a newline.
    pub fn text(&self) -> &[u8] {
        self.0.text.get(..self.0.len).unwrap_or_default()
    }

    /// Adds to the line.
    pub fn append(&mut self, pieces: &[&[u8]]) {
        for piece in pieces {
            let len = self.0.len;
            let room = self.0.text.get_mut(len..).unwrap_or_default();
            for (slot, byte) in room.iter_mut().zip(*piece) {
                *slot = *byte;
            }
            self.0.len = (len + piece.len()).min(TEXT);
        }
    }

    fn append_errno(&mut self, errno: Errno) {
        match errno.text() {
            b"" => self.append(&[b"error ", Decimal::new(errno.0.into()).bytes()]),
            known => self.append(&[known]),
        }
    }

    /// Says that the line has reached whoever waits for it, so that stderr need not repeat it.
    pub fn set_told(&mut self) {
        self.0.told = true;
    }

    /// Writes the line to stderr.
    pub fn print(&self) {
        if !self.0.told {
            warn(self.text());
        }
    }
}

/// Writes one line to stderr, in one piece so that it stays whole among the lines of others.
pub fn warn(text: &[u8]) {
    sys::write_stderr(Failure::new(0, &[b"lxcri-hook: ", text, b"\n"]).text());
}

/// A number in decimal, ended by NUL so that it can also name a directory.
pub struct Decimal {
    digits: [u8; 21],
    start: usize,
}

impl Decimal {
    /// Formats the number.
    pub fn new(mut value: u64) -> Decimal {
        let mut digits = [0; 21];
        let mut start = 20;
        for (index, slot) in digits.iter_mut().enumerate().take(20).rev() {
            *slot = b'0' + (value % 10) as u8;
            start = index;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        Decimal { digits, start }
    }

    /// The digits.
    pub fn bytes(&self) -> &[u8] {
        self.digits.get(self.start..20).unwrap_or_default()
    }

    /// The digits as a string.
    pub fn string(&self) -> &core::ffi::CStr {
        self.digits
            .get(self.start..)
            .and_then(|digits| core::ffi::CStr::from_bytes_until_nul(digits).ok())
            .unwrap_or_default()
    }
}
