//! The table of `lxcri hooks ID`: what ran, when, for how long and with which result.
//!
//! A pure function from records to text. The caller finds out the width and whether it writes to a terminal.

mod table;
#[cfg(test)]
mod tests;
mod text;
mod time;

use hook_model::{Phase, Record};

use self::text::{Style, printable, wrap};
use self::time::{duration, utc};

/// How many lines of a failed hook's stderr are shown, long ones counted as often as they are broken.
const STDERR_LINES: usize = 10;
/// How far these are indented.
const INDENT: usize = 4;

/// How the table is to look.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The number of columns, of which at least [`Options::NARROWEST`] are used.
    pub width: usize,
    /// Whether to use colours.
    pub colour: bool,
}

impl Options {
    /// The smallest width for which the table has room.
    pub const NARROWEST: usize = 66;
}

impl Default for Options {
    fn default() -> Self {
        Options {
            width: 80,
            colour: false,
        }
    }
}

/// The table for some records in the order in which they were written.
///
/// Hooks that one command ran share a waterfall of times, with its own scale: hours may lie between create and delete,
/// milliseconds between two hooks. Below the table, each failed hook is shown with the end of its stderr.
pub fn render(records: &[Record], options: &Options) -> String {
    if records.is_empty() {
        return "no hook has run\n".to_owned();
    }
    let width = options.width.max(Options::NARROWEST);
    let style = Style {
        colour: options.colour,
    };
    let groups: Vec<_> = records.chunk_by(same_command).collect();
    let mut out = table::render(&groups, width, style);
    for record in records {
        failure(&mut out, record, width, style);
    }
    out
}

/// The command that runs a phase.
fn command(phase: Phase) -> &'static str {
    match phase {
        Phase::Prestart | Phase::CreateRuntime | Phase::CreateContainer => "create",
        Phase::StartContainer | Phase::Poststart => "start",
        Phase::Poststop => "delete",
    }
}

/// Whether one command ran both hooks, the second right after the first. A log may hold several lives under one id, and
/// a step back in the order shows where the next begins.
fn same_command(first: &Record, second: &Record) -> bool {
    command(first.phase) == command(second.phase)
        && (first.phase, first.index) < (second.phase, second.index)
}

/// When the first hook of a group started and how long it took until the last had ended, in nanoseconds.
fn span(group: &[Record]) -> (u64, u64) {
    let start = group
        .iter()
        .map(|record| record.start_ns)
        .min()
        .unwrap_or(0);
    let end = group
        .iter()
        .map(|record| record.start_ns.saturating_add(record.duration_ns))
        .max()
        .unwrap_or(start);
    (start, end - start)
}

/// The line above the hooks of one command.
fn heading(group: &[Record]) -> String {
    let (start, length) = span(group);
    let hooks = if group.len() == 1 {
        "1 hook".to_owned()
    } else {
        format!("{} hooks", group.len())
    };
    let command = group.first().map_or("", |record| command(record.phase));
    format!(
        "{command} at {}, {hooks} in {}",
        utc(start),
        duration(length)
    )
}

/// What there is to say about a failed hook.
fn failure(out: &mut String, record: &Record, width: usize, style: Style) {
    // The end of stderr follows on lines of its own.
    let without_stderr = Record {
        stderr: String::new(),
        ..record.clone()
    };
    let Some(failure) = without_stderr.failure() else {
        return;
    };
    out.push('\n');
    for (i, line) in wrap(&printable(&failure.to_string()), width - INDENT)
        .iter()
        .enumerate()
    {
        let line = if i == 0 {
            line.clone()
        } else {
            format!("{:INDENT$}{line}", "")
        };
        out.push_str(&style.bad(&line));
        out.push('\n');
    }
    let stderr = record.stderr.trim_end().lines();
    let lines: Vec<String> = stderr
        .flat_map(|line| wrap(&printable(line), width - INDENT))
        .collect();
    for line in &lines[lines.len().saturating_sub(STDERR_LINES)..] {
        out.push_str(format!("{:INDENT$}{line}", "").trim_end());
        out.push('\n');
    }
}
