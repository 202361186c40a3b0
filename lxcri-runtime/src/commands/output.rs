//! What commands print. A full disk or a reader that is gone is an error, not the end of the program.

use std::io::Write;

use anyhow::{Context, Result};

/// Writes to stdout.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .context("write to stdout")
}

/// Writes JSON for people, and a line feed.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}
