//! The probe's orders and records (tests/probe).

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The static program.
pub fn program() -> &'static Path {
    Path::new(env!("LXCRI_PROBE"))
}

/// The orders for one run: the text of the file beside the executed path.
#[derive(Clone, Default)]
pub struct Orders(String);

impl Orders {
    /// Orders to write records under `label` to the file `out`.
    pub fn new(label: &str, out: &Path) -> Self {
        Orders::default()
            .with("label", label)
            .with("out", out.display())
    }

    /// Adds an order (tests/probe/conf.rs lists them).
    #[must_use]
    pub fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        let _ = writeln!(self.0, "{key} {value}");
        self
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// One line of the probe.
#[derive(Clone, Debug)]
pub struct Record(pub Value);

impl Record {
    /// A field as text.
    pub fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    /// A field as number.
    pub fn number(&self, key: &str) -> i64 {
        self.0[key].as_i64().unwrap_or(-1)
    }

    /// A field as list of texts.
    pub fn texts(&self, key: &str) -> Vec<&str> {
        self.0[key]
            .as_array()
            .map(|a| a.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }

    /// A field as list of numbers.
    pub fn numbers(&self, key: &str) -> Vec<i64> {
        self.0[key]
            .as_array()
            .map(|a| a.iter().filter_map(Value::as_i64).collect())
            .unwrap_or_default()
    }

    /// The content of a file that `cat` named.
    pub fn file(&self, path: &str) -> Option<&str> {
        self.0["cat"][path].as_str()
    }

    /// Whether a path that `see` named leads to something.
    pub fn sees(&self, path: &str) -> bool {
        self.0["see"][path].is_string()
    }
}

/// The records of one container.
#[derive(Clone, Debug, Default)]
pub struct Records(pub Vec<Record>);

impl Records {
    /// Reads the file; lines that are no JSON are ignored (a process may have been killed while it wrote).
    pub fn read(file: &PathBuf) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        Records(
            text.lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .map(Record)
                .collect(),
        )
    }

    /// The first record of `event` under `label`.
    pub fn get(&self, event: &str, label: &str) -> Option<&Record> {
        self.0
            .iter()
            .find(|r| r.text("event") == event && r.text("label") == label)
    }

    /// The observations made under `label`.
    pub fn started(&self, label: &str) -> Option<&Record> {
        self.get("start", label)
    }

    /// Labels of `event` in the order in which they were written.
    pub fn labels(&self, event: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|r| r.text("event") == event)
            .map(|r| r.text("label"))
            .collect()
    }

    /// The error number of an attempt, 0 for success.
    pub fn attempt(&self, label: &str, what: &str) -> Option<i64> {
        let mut all = self
            .0
            .iter()
            .filter(|r| r.text("event") == "try" && r.text("label") == label);
        all.find(|r| r.text("what") == what)
            .map(|r| r.number("errno"))
    }
}
