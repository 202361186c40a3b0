//! Names and byte format of the on-disk hook tree.
//!
//! The runtime writes the tree, the launcher reads it; both take every name and every rule from here. The normative
//! description is `docs/hook-tree.md`. The crate has no dependency, no feature and no allocator, because the launcher
//! is freestanding: parsers borrow from the caller's buffer and encoders write through a `&mut dyn FnMut(&[u8])`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod calls;
mod cmdline;
mod environ;
mod error;
pub mod json;
pub mod names;
mod number;
mod numbering;
mod outcome;
mod phase;
mod record;
mod shown;
mod strings;
pub mod sync;
mod table;

pub use cmdline::{Cmdline, check_hook, check_program, encode_cmdline};
pub use environ::{Environ, check_hook_environ, encode_environ};
pub use error::TreeError;
pub use number::{decimal, number};
pub use numbering::{Numbering, hook_number};
pub use outcome::{End, FailureLine};
pub use phase::{Namespace, Phase};
pub use record::{Facts, Record, STDERR_IN_FAILURE, encode_failure, encode_record};
pub use strings::{Strings, encode_string, find};
pub use table::lookup;

/// Where encoders write. Called any number of times with consecutive pieces.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]);
