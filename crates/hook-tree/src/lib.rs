//! Names and byte format of the on-disk hook tree.
//!
//! The runtime writes the tree, the launcher reads it; both take every name and every rule from here. The normative
//! description is `docs/hook-tree.md`. The crate has no dependency, no feature and no allocator, because the launcher
//! is freestanding: parsers borrow from the caller's buffer and encoders write through a `&mut dyn FnMut(&[u8])`.
#![no_std]
#![forbid(unsafe_code)]

mod cmdline;
mod environ;
mod error;
pub mod json;
pub mod names;
mod numbering;
mod outcome;
mod phase;
mod record;
mod settings;
mod strings;
pub mod sync;
mod values;

pub use cmdline::{Cmdline, encode_cmdline};
pub use environ::{Environ, encode_environ};
pub use error::TreeError;
pub use numbering::{Numbering, hook_number};
pub use outcome::{End, FailureLine, STDERR_IN_FAILURE};
pub use phase::{Namespace, Phase};
pub use record::Record;
pub use settings::{Groups, Rlimit, Setting, Settings};
pub use strings::{Strings, encode_string, find};
pub use values::{Key, Values, number};

/// Where encoders write. Called any number of times with consecutive pieces.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]);

/// Appends `value` in decimal.
pub fn decimal(value: u64, sink: Sink) {
    radix(value, 10, sink);
}

/// Appends `value` in the given base (2 to 16), lower case, without prefix.
pub(crate) fn radix(mut value: u64, base: u64, sink: Sink) {
    let mut digits = [0u8; 64];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        let digit = (value % base) as u8;
        *slot = if digit < 10 {
            b'0' + digit
        } else {
            b'a' + digit - 10
        };
        used += 1;
        value /= base;
        if value == 0 {
            break;
        }
    }
    sink(digits.get(digits.len() - used..).unwrap_or_default());
}
