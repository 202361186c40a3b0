//! System calls that failed, as text for a record.

use std::fmt;
use std::io;

use nix::errno::Errno;

/// A failed call with its arguments: `execve(/x): no such file or directory (ENOENT)`.
#[derive(Debug, thiserror::Error)]
pub struct CallError {
    /// The call as a person would write it.
    pub call: String,
    /// What the kernel said.
    pub errno: Errno,
}

impl CallError {
    /// For `map_err`.
    pub fn of(call: impl Into<String>) -> impl FnOnce(Errno) -> CallError {
        move |errno| CallError {
            call: call.into(),
            errno,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({:?})", self.call, text(self.errno), self.errno)
    }
}

/// The C library's text in lower case, as the launcher has it; nix words some of them differently.
fn text(errno: Errno) -> String {
    let text = io::Error::from(errno).to_string();
    let text = text
        .split_once(" (os error")
        .map_or(&*text, |(text, _)| text);
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_like_strace() {
        let error = CallError::of("execve(/x)")(Errno::ENOENT);
        assert_eq!(
            error.to_string(),
            "execve(/x): no such file or directory (ENOENT)"
        );
        let error = CallError::of("read(3)")(Errno::EIO);
        assert_eq!(error.to_string(), "read(3): input/output error (EIO)");
    }
}
