//! What is wrong with a config.json, and where.

use std::fmt;

use super::pointer::{Pointer, one_line};

/// One remark about one place in config.json: an error or a warning, depending on who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The place.
    pub pointer: Pointer,
    /// What is wrong with it, lower case, without a full stop.
    pub message: String,
}

impl Problem {
    /// A remark about `pointer`.
    pub fn new(pointer: Pointer, message: impl Into<String>) -> Self {
        Self {
            pointer,
            message: message.into(),
        }
    }

    /// The property asks for something this runtime cannot do.
    pub fn unsupported(pointer: Pointer) -> Self {
        Self::new(pointer, "not supported")
    }

    /// Like [`Problem::unsupported`], with the reason.
    pub fn unsupported_because(pointer: Pointer, reason: &str) -> Self {
        Self::new(pointer, format!("not supported: {reason}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.as_str().is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        one_line(&self.message, f)
    }
}

/// Everything that is wrong with a config.json; its text is one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// No problem yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds a problem at `pointer`.
    pub fn add(&mut self, pointer: Pointer, message: impl Into<String>) {
        self.0.push(Problem::new(pointer, message));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problems in the order in which they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// `Err` when there is any.
    pub fn into_result(self) -> Result<(), Problems> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        self.0.extend(problems);
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
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

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_make_one_line() {
        let mut problems = Problems::new();
        problems.push(Problem::unsupported(Pointer::at("/windows")));
        problems.add(
            Pointer::at("/process/cwd"),
            "\"a\nb\" is not an absolute path",
        );
        assert_eq!(
            problems.to_string(),
            "/windows: not supported; /process/cwd: \"a\\nb\" is not an absolute path"
        );
        assert!(problems.into_result().is_err());
    }
}
