//! What is printed. A reader that goes away is no error.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

/// Writes a text to stdout.
///
/// # Errors
/// When it cannot be written, unless the reader has gone.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("write to stdout"),
    }
}

/// Writes a warning to stderr, on one line.
pub fn warn(text: &str) {
    eprintln!("lxcri-ctl: warning: {}", plain(text));
}

/// A text from a file or a directory on one line, whatever it holds.
pub fn plain(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_neither_ends_its_line_nor_moves_the_cursor() {
        assert_eq!(plain("a\n\u{1b}[2Jb\u{9b}c\r"), "a  [2Jb c ");
    }
}
