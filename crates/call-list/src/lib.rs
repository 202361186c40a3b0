//! Lists of system calls for the launcher (docs/hook-tree.md, "Lists of system calls").
//!
//! [`Process`] is what init does before and by executing the container's program, [`Superblock`] what the launcher does
//! for a mount. Both know the order in which things are permitted and say what went wrong; the launcher only makes the
//! calls.
#![forbid(unsafe_code)]

mod capabilities;
mod descriptors;
mod label;
mod list;
mod process;
mod program;
mod superblock;
mod user;

pub use capabilities::Capabilities;
pub use process::{Process, Rlimit, Stdio};
pub use superblock::Superblock;

/// Why something cannot be compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A string that the kernel is to take holds a NUL byte.
    #[error("string holds a NUL byte")]
    InnerNul,
    /// The name or path of the program is empty.
    #[error("path of the executable is missing")]
    NoProgram,
    /// There is not even argv\[0\].
    #[error("argv is empty")]
    NoArguments,
    /// The seccomp filter is no whole number of instructions, or holds more than the kernel takes.
    #[error("seccomp filter has a wrong size")]
    BadFilter,
    /// The list is larger than the launcher takes.
    #[error("list of system calls is larger than 64 MiB")]
    TooLarge,
}
