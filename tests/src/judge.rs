//! Judges refusals: one clear line, an exit status that is not 0, nothing left behind, no hang.
//!
//! lxcri must pass every case, which is seen when the judge is dropped. For another runtime the differences are printed.

use std::fs;

use crate::command::{Outcome, PATIENCE};
use crate::leaks;
use crate::runtime::Runtime;
use crate::scratch::Scratch;

/// Collects what is not as it should be.
pub struct Judge<'a> {
    runtime: &'a Runtime,
    problems: Vec<String>,
}

impl<'a> Judge<'a> {
    /// For this runtime.
    pub fn new(runtime: &'a Runtime) -> Self {
        Judge {
            runtime,
            problems: Vec::new(),
        }
    }

    /// Notes the problem of `case` unless a condition holds.
    pub fn check(&mut self, case: &str, holds: bool, otherwise: impl std::fmt::Display) {
        if !holds {
            self.problems.push(format!("{case}: {otherwise}"));
        }
    }

    /// A command that must have been refused, with all of `words` in its one line.
    pub fn refused(&mut self, case: &str, outcome: &Outcome, words: &[&str]) {
        let code = outcome.code();
        let clean = !outcome.timed_out && (1..126).contains(&code);
        self.check(
            case,
            clean,
            format!("expected a refusal, got {}", outcome.brief()),
        );
        self.check(
            case,
            outcome.took < PATIENCE / 2,
            format!("took {} ms", outcome.took.as_millis()),
        );
        let lines: Vec<&str> = outcome
            .stderr
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        self.check(
            case,
            lines.len() == 1,
            format!("expected one line, got {lines:?}"),
        );
        let text = outcome.stderr.to_lowercase();
        let missing: Vec<&&str> = words
            .iter()
            .filter(|word| !text.contains(&word.to_lowercase()))
            .collect();
        self.check(
            case,
            missing.is_empty(),
            format!("does not name {missing:?}: {}", outcome.error()),
        );
        let ugly = text.contains("panick") || text.contains("backtrace");
        self.check(case, !ugly, outcome.error());
    }

    /// Nothing carries the marker any more.
    pub fn nothing_left(&mut self, case: &str, scratch: &Scratch) {
        let leaks = leaks::left_behind(scratch.marker());
        self.check(case, leaks.is_empty(), format!("left behind: {leaks:?}"));
        let entries: Vec<_> = fs::read_dir(scratch.join("run"))
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        let names: Vec<_> = entries
            .iter()
            .map(|e| e.file_name())
            .filter(|n| !n.to_string_lossy().starts_with('.'))
            .collect();
        self.check(
            case,
            names.is_empty(),
            format!("left in the runtime directory: {names:?}"),
        );
    }
}

impl Drop for Judge<'_> {
    fn drop(&mut self) {
        if self.problems.is_empty() || std::thread::panicking() {
            return;
        }
        let text = self.problems.join("\n");
        assert!(!self.runtime.is_lxcri(), "\n{text}");
        println!("{} differs:\n{text}", self.runtime.name());
    }
}
