//! Errors for people: one line, and system errors by their usual names.

use std::io;

use anyhow::Error;
use nix::errno::Errno;

/// The error and its causes on one line, each cause once.
///
/// The standard library writes `No such file or directory (os error 2)`; here it is `no such file or directory (ENOENT)`.
pub fn one_line(error: &Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let errno = cause.downcast_ref::<Errno>().copied().or_else(|| {
            cause
                .downcast_ref::<io::Error>()?
                .raw_os_error()
                .map(Errno::from_raw)
        });
        let text = errno.map_or_else(|| cause.to_string(), describe);
        // Some errors have their cause in their own text.
        if line.ends_with(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    // Names from config.json or of files may hold anything.
    line.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn describe(errno: Errno) -> String {
    let text = errno.desc();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => format!("{}{} ({errno:?})", first.to_lowercase(), chars.as_str()),
        None => format!("{errno:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::one_line;
    use anyhow::{Context, anyhow};

    #[test]
    fn system_errors_have_names() {
        let error = std::fs::File::open("/nonexistent")
            .context("open /nonexistent")
            .unwrap_err();
        assert_eq!(
            one_line(&error),
            "open /nonexistent: no such file or directory (ENOENT)"
        );
        let error = anyhow!(nix::errno::Errno::EPERM).context("mount(/x)");
        assert_eq!(
            one_line(&error),
            "mount(/x): operation not permitted (EPERM)"
        );
    }

    #[test]
    fn one_line_without_control_characters_and_without_repetition() {
        let error = anyhow!("b\n\u{1b}[31mc").context("a: b\n\u{1b}[31mc");
        assert_eq!(one_line(&error), "a: b  [31mc");
    }
}
