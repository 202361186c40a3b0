//! Failures of the launcher: the table of exit codes, and the line that says why.
//!
//! Nearly every failure ends the launcher, so it ends right there: no path leads back through callers that could do
//! nothing but pass it on. Codes 20 to 49 are defects of the hook tree and belong to [`hook_tree::TreeError`]; 128+n
//! means that init was ended by signal n while it waited.

use crate::errno::Errno;
use crate::report;
use crate::sys::{self, Buf};

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
/// `state.json` is missing.
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

/// Ends the launcher with this code and the concatenation of these pieces as the reason.
#[cold]
#[inline(never)]
pub fn die(code: u8, pieces: &[&[u8]]) -> ! {
    report::tell(Buf::concat(pieces).bytes());
    sys::exit(code)
}

/// Ends the launcher because of a system call, shown with its argument:
/// `openat(/x/cmdline): permission denied (EACCES)`.
#[cold]
#[inline(never)]
pub fn die_of(code: u8, call: &[u8], argument: &[u8], errno: Errno) -> ! {
    let mut text = Buf::new();
    push_call(&mut text, call, argument, errno);
    die(code, &[text.bytes()])
}

/// Ends the launcher for want of memory, with what needs none.
#[cold]
pub fn out_of_memory() -> ! {
    report::tell(b"mmap(): cannot allocate memory (ENOMEM)");
    sys::exit(NO_MEMORY)
}

/// Appends the text of a failed system call.
pub fn push_call(text: &mut Buf, call: &[u8], argument: &[u8], errno: Errno) {
    text.append(&[call, b"(", argument, b"): "]);
    match errno.text() {
        b"" => text.append(&[b"error ", Decimal::new(errno.0.into()).bytes()]),
        known => text.push(known),
    }
}

/// What to do with the result of a call that must succeed.
pub trait OrDie<T> {
    /// The value, or the end of the launcher.
    fn or_die(self, code: u8, call: &[u8], argument: &[u8]) -> T;
}

impl<T> OrDie<T> for sys::Result<T> {
    #[inline(always)]
    fn or_die(self, code: u8, call: &[u8], argument: &[u8]) -> T {
        match self {
            Ok(value) => value,
            Err(errno) => die_of(code, call, argument, errno),
        }
    }
}

/// A number in decimal, ended by NUL so that it can also name a directory.
pub struct Decimal {
    digits: [u8; 24],
    start: usize,
}

impl Decimal {
    const END: usize = 23;

    /// Formats the number.
    pub fn new(mut value: u64) -> Decimal {
        let mut digits = [0; 24];
        let mut start = Self::END;
        for slot in digits.iter_mut().take(Self::END).rev() {
            *slot = b'0' + (value % 10) as u8;
            start -= 1;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        Decimal { digits, start }
    }

    /// The digits.
    pub fn bytes(&self) -> &[u8] {
        self.string().to_bytes()
    }

    /// The digits as a string.
    pub fn string(&self) -> &core::ffi::CStr {
        let digits = self.digits.get(self.start..).unwrap_or_default();
        core::ffi::CStr::from_bytes_until_nul(digits).unwrap_or_default()
    }
}
