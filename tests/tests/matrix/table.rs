//! Collects verdicts and prints them as a table of property by phase.

use std::fmt::Debug;

use lxcri_tests::phase::{PHASES, Phase};

/// The result of one check.
enum Verdict {
    Ok,
    Differs(String),
    Skipped(String),
}

/// One property with a verdict for each phase that it was checked in.
struct Row {
    property: &'static str,
    cells: [Option<Verdict>; 6],
}

impl Row {
    /// One line for each differing detail, with all phases that share it.
    fn explain(&self) {
        let mut lines: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        for (cell, phase) in self.cells.iter().zip(&PHASES) {
            let (word, detail) = match cell {
                Some(Verdict::Differs(detail)) => ("differs", detail),
                Some(Verdict::Skipped(reason)) => ("skipped", reason),
                _ => continue,
            };
            match lines
                .iter_mut()
                .find(|(w, d, _)| *w == word && *d == detail.as_str())
            {
                Some((_, _, phases)) => phases.push(phase.name),
                None => lines.push((word, detail, vec![phase.name])),
            }
        }
        for (word, detail, phases) in lines {
            println!("{word}: {}: {}: {detail}", self.property, phases.join(", "));
        }
    }
}

/// All verdicts, in the order in which the properties came up.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

/// The numbers of a report.
#[derive(Default, Clone, Copy)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl Report {
    /// Notes the result of a check; the error says what was found instead.
    pub fn check(&mut self, property: &'static str, phase: &Phase, result: Result<(), String>) {
        let verdict = match result {
            Ok(()) => Verdict::Ok,
            Err(detail) => Verdict::Differs(detail),
        };
        self.note(property, phase, verdict);
    }

    /// Notes that a check could not be made.
    pub fn skip(&mut self, property: &'static str, phase: &Phase, reason: &str) {
        self.note(property, phase, Verdict::Skipped(reason.to_string()));
    }

    fn note(&mut self, property: &'static str, phase: &Phase, verdict: Verdict) {
        let Some(column) = PHASES.iter().position(|p| p == phase) else {
            return;
        };
        let row = self
            .rows
            .iter()
            .position(|row| row.property == property)
            .unwrap_or_else(|| {
                self.rows.push(Row {
                    property,
                    cells: [const { None }; 6],
                });
                self.rows.len() - 1
            });
        let cell = &mut self.rows[row].cells[column];
        // A property that is checked in several containers holds only if it holds in all of them.
        if !matches!(cell, Some(Verdict::Differs(_))) {
            *cell = Some(verdict);
        }
    }

    /// Prints the table and, below it, the details.
    pub fn print(&self) -> Counts {
        let names = PHASES.each_ref().map(|p| p.name);
        println!("| {:<21} | {} |", "property", names.join(" | "));
        println!(
            "|:{}-|{}|",
            "-".repeat(21),
            names
                .map(|n| format!(":{}-", "-".repeat(n.len())))
                .join("|")
        );
        let mut counts = Counts::default();
        for row in &self.rows {
            let mut cells = Vec::new();
            for (cell, name) in row.cells.iter().zip(names) {
                let word = match cell {
                    None => "",
                    Some(Verdict::Ok) => "ok",
                    Some(Verdict::Differs(_)) => "differs",
                    Some(Verdict::Skipped(_)) => "skipped",
                };
                cells.push(format!("{word:<width$}", width = name.len()));
                match cell {
                    None => {}
                    Some(Verdict::Ok) => counts.passed += 1,
                    Some(Verdict::Differs(_)) => counts.failed += 1,
                    Some(Verdict::Skipped(_)) => counts.skipped += 1,
                }
            }
            println!("| {:<21} | {} |", row.property, cells.join(" | "));
        }
        println!();
        self.rows.iter().for_each(Row::explain);
        counts
    }
}

/// Equality with an explanation.
pub fn same<T: PartialEq + Debug>(found: T, expected: T) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("expected {expected:?}, found {found:?}"))
    }
}

/// A condition with an explanation.
pub fn hold(condition: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(otherwise()) }
}

/// Signal numbers with runs of neighbours drawn together: `1-8, 10`.
pub fn ranges(numbers: &[i64]) -> String {
    let mut all: Vec<(i64, i64)> = Vec::new();
    for &n in numbers {
        match all.last_mut() {
            Some((_, last)) if *last + 1 == n => *last = n,
            _ => all.push((n, n)),
        }
    }
    let words = all.into_iter().map(|(a, b)| {
        if a == b {
            a.to_string()
        } else {
            format!("{a}-{b}")
        }
    });
    words.collect::<Vec<_>>().join(", ")
}
