//! Text for people: what others wrote on one line, and system calls that failed.

use std::fmt::{self, Write};
use std::io;

use nix::errno::Errno;

/// Text with its control characters escaped.
pub struct OneLine<'a>(pub &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_debug())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// A call that failed, as a reason: `open: permission denied (EACCES)`.
pub fn failed(call: &str, errno: Errno) -> String {
    format!("{call}: {} ({errno:?})", errno.desc().to_lowercase())
}

/// Like [`failed`], for errors of the standard library.
pub fn failed_io(call: &str, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => failed(call, Errno::from_raw(errno)),
        None => format!("{call}: {error}"),
    }
}
