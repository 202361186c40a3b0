//! What is wrong with a configuration, and where.

use std::fmt;

/// One thing that is wrong, with the JSON pointer (RFC 6901) of its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// For example `/hooks/createRuntime/0/timeout`.
    pub pointer: String,
    /// For example `must be greater than zero`.
    pub reason: String,
}

impl Problem {
    /// A problem at `pointer`.
    pub fn new(pointer: impl Into<String>, reason: impl Into<String>) -> Problem {
        Problem {
            pointer: pointer.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.reason)
    }
}

/// Everything that is wrong, so that a user need not find it out one by one. Never empty inside an `Err`.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// `Ok(value)` when there is no problem.
    pub fn none_or<T>(self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl fmt::Display for Problems {
    /// One line, the problems separated by `; `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// Appends `key` to a JSON pointer, escaped as RFC 6901 wants it.
pub fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}
