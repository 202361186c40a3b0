//! What is wrong with a file, where and why.

use std::fmt;
use std::path::PathBuf;

use hook_model::Problem;

use crate::text::OneLine;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file is used, and perhaps not as its author thinks.
    Warning,
}

/// Where in a file a problem is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The file or directory itself.
    File,
    /// A place in a text that is no JSON, both from 1; the column counts bytes.
    Line {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
    /// A JSON pointer (RFC 6901).
    Pointer(String),
}

/// One problem of one file. Its text is one line: `<file>:3:7: <reason>` or `<file>: /hook/path: <reason>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileProblem {
    /// The file, or a source that cannot be read.
    pub file: PathBuf,
    /// Where in the file.
    pub place: Place,
    /// What is wrong, lower case and without a full stop.
    pub reason: String,
    /// Whether the file can be used nevertheless.
    pub severity: Severity,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", OneLine(&self.file.to_string_lossy()))?;
        match &self.place {
            Place::File => {}
            Place::Line { line, column } => write!(f, ":{line}:{column}")?,
            Place::Pointer(pointer) => write!(f, ": {}", OneLine(pointer))?,
        }
        write!(f, ": {}", OneLine(&self.reason))
    }
}

/// Why no container can be made: every error of the sources whose policy is [`OnError::Fail`](crate::OnError::Fail).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Broken(pub Vec<FileProblem>);

impl fmt::Display for Broken {
    /// One line, the problems separated by `; `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            let separator = if i > 0 { "; " } else { "" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

/// The problems of one file while it is read.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: Vec<(Severity, Place, String)>,
}

impl Report {
    /// The file cannot be used.
    pub fn error(&mut self, place: Place, reason: impl Into<String>) {
        self.found.push((Severity::Error, place, reason.into()));
    }

    /// The file can be used.
    pub fn warning(&mut self, place: Place, reason: impl Into<String>) {
        self.found.push((Severity::Warning, place, reason.into()));
    }

    /// What the hook model found.
    pub fn model(&mut self, problem: Problem) {
        self.error(problem.pointer.into(), problem.reason);
    }

    /// Whether the file cannot be used.
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|(s, ..)| *s == Severity::Error)
    }

    /// The problems of `file`, in the order of their places.
    pub fn into_problems(self, file: &std::path::Path) -> Vec<FileProblem> {
        let found = self.found.into_iter();
        let mut problems: Vec<FileProblem> = found
            .map(|(severity, place, reason)| FileProblem {
                file: file.to_owned(),
                place,
                reason,
                severity,
            })
            .collect();
        problems.sort();
        problems
    }
}

/// A JSON pointer. The empty one means the whole of the file.
impl From<String> for Place {
    fn from(pointer: String) -> Place {
        if pointer.is_empty() {
            Place::File
        } else {
            Place::Pointer(pointer)
        }
    }
}

impl From<&str> for Place {
    fn from(pointer: &str) -> Place {
        pointer.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(file: &str, place: Place, reason: &str) -> FileProblem {
        FileProblem {
            file: file.into(),
            place,
            reason: reason.into(),
            severity: Severity::Error,
        }
    }

    #[test]
    fn a_problem_is_one_line_with_file_place_and_reason() {
        let line = Place::Line { line: 3, column: 7 };
        let broken = Broken(vec![
            problem("/h/a.json", line, "trailing comma"),
            problem("/h/b.json", "/hook/path".into(), "is missing"),
            problem("/h/c\n.json", Place::File, "is a\u{1b}directory"),
        ]);
        assert_eq!(
            broken.to_string(),
            "/h/a.json:3:7: trailing comma; /h/b.json: /hook/path: is missing; \
             /h/c\\n.json: is a\\u{1b}directory"
        );
    }
}
