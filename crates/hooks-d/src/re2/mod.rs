//! Patterns of Go's regexp package (RE2), translated to those of the crates regex and regex-automata.
//!
//! Podman and CRI-O are written in Go, so their hook files have patterns of this dialect. Both dialects look alike and
//! differ in the corners: what one of them takes the other refuses, and some signs mean another thing. So the pattern is
//! parsed as Go does it, and written again in the part of the other dialect that leaves no doubt: no flag reaches further
//! than one sign, and a sign with a meaning of its own is written as a number.
//!
//! The grammar is that of Go 1.25, <https://pkg.go.dev/regexp/syntax>. Only whether a text matches is asked, never
//! where, so greediness and captures are accepted and left out.

mod class;
mod cursor;
mod escape;
mod flags;
mod item;
mod parser;
mod plain;
mod repeat;
mod unicode;

pub use parser::{DEEPEST, Translated, translate};
pub use plain::Plain;

/// Why a pattern is refused. One line, lower case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl Refused {
    fn new(reason: impl Into<String>) -> Refused {
        Refused(reason.into())
    }
}
