//! Errors for people: one line, and system errors by their usual names.

use std::io;

use anyhow::Error;
use nix::errno::Errno;

use crate::output::plain;

/// The error and its causes on one line, each cause once.
pub fn one_line(error: &Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let io = cause.downcast_ref::<io::Error>();
        let text = match io.and_then(io::Error::raw_os_error).map(Errno::from_raw) {
            Some(errno) => format!("{} ({errno:?})", errno.desc().to_lowercase()),
            None => cause.to_string(),
        };
        // Some errors have their cause in their own text.
        if line.ends_with(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    // Names of files may hold anything.
    plain(&line)
}
