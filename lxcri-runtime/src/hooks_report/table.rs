//! Columns and rows of the table.

use hook_model::Record;

use super::text::{Style, printable, shorten, width};
use super::time::duration;
use super::{heading, span};

/// Columns for a duration.
const TIME: usize = 7;
/// The widest result: `timed out`.
const RESULT: usize = 9;
/// Columns for the waterfall, at least and at most.
const BAR: std::ops::RangeInclusive<usize> = 10..=30;
/// What a running hook is drawn with.
const BLOCK: &str = "█";

/// The widths of the columns that depend on the records.
struct Layout {
    phase: usize,
    index: usize,
    hook: usize,
    bar: usize,
}

impl Layout {
    fn new(groups: &[&[Record]], total: usize) -> Layout {
        let widest = |title: &str, of: fn(&Record) -> usize| {
            groups
                .iter()
                .copied()
                .flatten()
                .map(of)
                .max()
                .unwrap_or(0)
                .max(title.len())
        };
        let phase = widest("PHASE", |record| record.phase.oci_name().len());
        let index = widest("#", |record| record.index.to_string().len());
        let wanted = widest("HOOK", |record| width(&printable(&record.path)));
        let blanks = 6;
        let flexible = total.saturating_sub(phase + index + 2 * TIME + RESULT + blanks);
        let hook = wanted.min(flexible.saturating_sub(*BAR.start()));
        let bar = flexible.saturating_sub(hook).min(*BAR.end());
        Layout {
            phase,
            index,
            hook,
            bar,
        }
    }

    fn row(&self, phase: &str, index: &str, hook: &str, start: &str, time: &str) -> String {
        let padding = " ".repeat(self.hook.saturating_sub(width(hook)));
        format!(
            "{phase:p$} {index:>i$} {hook}{padding} {start:>TIME$} {time:>TIME$} ",
            p = self.phase,
            i = self.index,
        )
    }
}

/// The table without what follows it. No line is wider than `total`.
pub fn render(groups: &[&[Record]], total: usize, style: Style) -> String {
    let layout = Layout::new(groups, total);
    let titles = layout.row("PHASE", "#", "HOOK", "START", "TIME")
        + &format!("{:RESULT$} WATERFALL", "RESULT");
    let mut out = format!("{}\n", style.strong(&titles));
    for group in groups {
        out.push_str(&style.strong(&heading(group)));
        out.push('\n');
        let (first, length) = span(group);
        for record in *group {
            let offset = record.start_ns.saturating_sub(first);
            let path = printable(&record.path);
            out.push_str(&layout.row(
                record.phase.oci_name(),
                &record.index.to_string(),
                &shorten(&path, layout.hook),
                &duration(offset),
                &duration(record.duration_ns),
            ));
            let result = result(record);
            let (lead, blocks) = bar(offset, record.duration_ns, length, layout.bar);
            let paint = |text: &str| {
                if record.succeeded() {
                    style.good(text)
                } else {
                    style.bad(text)
                }
                .into_owned()
            };
            let gap = " ".repeat(RESULT.saturating_sub(width(&result)) + 1 + lead);
            out.push_str(&format!(
                "{}{gap}{}\n",
                paint(&result),
                paint(&BLOCK.repeat(blocks))
            ));
        }
    }
    out
}

/// How a hook ended, in at most [`RESULT`] columns.
fn result(record: &Record) -> String {
    match (record.signal, record.exit_status) {
        _ if record.timed_out => "timed out".into(),
        _ if record.error.is_some() => "not run".into(),
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(0)) => "ok".into(),
        (None, Some(status)) => format!("exit {status}"),
        (None, None) => "unknown".into(),
    }
}

/// Blanks and blocks of a hook that started at `offset` in a group that took `length`, on `cells` cells. The shortest
/// hook has one block.
fn bar(offset: u64, time: u64, length: u64, cells: usize) -> (usize, usize) {
    let last = cells.saturating_sub(1);
    let cell = |ns: u64| {
        let cell = u128::from(ns) * cells as u128 / u128::from(length.max(1));
        usize::try_from(cell).map_or(last, |cell| cell.min(last))
    };
    let lead = cell(offset);
    // The cell in which it ended; a hook that ended where a cell begins is not in that cell.
    let end = cell(offset.saturating_add(time).saturating_sub(1)).max(lead);
    (lead, end - lead + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_within_their_cells() {
        assert_eq!(bar(0, 100, 100, 10), (0, 10));
        assert_eq!(bar(0, 50, 100, 10), (0, 5));
        assert_eq!(bar(50, 50, 100, 10), (5, 5));
        assert_eq!(bar(100, 0, 100, 10), (9, 1));
        assert_eq!(bar(0, 0, 0, 10), (0, 1));
        assert_eq!(bar(u64::MAX, u64::MAX, 1, 10), (9, 1));
        for offset in 0..100 {
            for time in 0..=100 - offset {
                let (lead, blocks) = bar(offset, time, 100, 12);
                assert!(blocks >= 1 && lead + blocks <= 12, "{offset} {time}");
            }
        }
    }
}
