//! Failures of the launcher: the table of exit codes, and the line that says why.
//!
//! Nearly every failure ends the launcher, so it ends right there: no path leads back through callers that could do
//! nothing but pass it on. Codes 20 to 49 are defects of the hook tree and belong to [`hook_tree::TreeError`]; 128+n
//! means that init was ended by signal n while it waited.

use crate::errno::Errno;
use crate::report;
use crate::sys::{self, Buf, Ret, Str};

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
// 17 and 18 stand in the list of init: a setting could not be applied, the program could not be executed.

/// A failure whose text is known beforehand: one pointer, to the exit code and the text.
#[derive(Clone, Copy)]
pub struct Failure(pub Str<'static>);

/// A [`Failure`] with this code and text.
macro_rules! failure {
    ($code:expr, $text:literal) => {
        const {
            const BYTES: &[u8] = &$crate::fail::with_code::<{ $text.len() + 2 }>($code, $text);
            $crate::fail::Failure($crate::sys::Str::literal(BYTES))
        }
    };
}

/// For [`failure!`].
pub const fn with_code<const N: usize>(code: u8, text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[0] = code;
    let mut at = 0;
    while at < text.len() {
        bytes[at + 1] = text.as_bytes()[at];
        at += 1;
    }
    bytes
}

impl Failure {
    /// Ends the launcher with this failure, its text behind what it is about.
    #[cold]
    #[inline(never)]
    pub fn die(self, about: &[u8]) -> ! {
        let mut text = Buf::new();
        text.push(about);
        let (code, why) = self.0.split_first();
        text.push_text(why);
        finish(code, &text)
    }
}

/// Ends the launcher with a text that is complete.
#[cold]
#[inline(never)]
pub fn finish(code: u8, text: &Buf) -> ! {
    report::tell(text.bytes());
    sys::exit(code)
}

/// Ends the launcher for want of memory, with what needs none.
#[cold]
pub fn out_of_memory() -> ! {
    report::tell(b"mmap(): cannot allocate memory (ENOMEM)");
    sys::exit(NO_MEMORY)
}

/// Appends what an error means.
#[inline(never)]
pub fn push_errno(text: &mut Buf, errno: Errno) {
    text.push(b": ");
    match errno.text() {
        b"" => {
            text.push(b"error ");
            push_number(text, errno.0 as u64);
        }
        known => text.push(known),
    }
}

/// Appends a number in decimal.
#[inline(never)]
pub fn push_number(text: &mut Buf, number: u64) {
    hook_tree::decimal(number, &mut text.sink());
}

impl Ret {
    /// The number that a system call returned; ends the launcher when it is an error.
    #[inline(never)]
    pub fn or_die(self, failure: Failure) -> usize {
        if self.is_err() {
            let mut text = Buf::new();
            let (code, call) = failure.0.split_first();
            text.push_text(call);
            push_errno(&mut text, self.errno());
            finish(code, &text)
        }
        self.number()
    }
}
