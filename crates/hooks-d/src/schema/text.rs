//! From bytes to one JSON value, with line and column of what is none.

use hook_model::json;
use serde_json::Value;

use crate::problem::{Place, Report};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Parses the content of a file: one JSON value in UTF-8, no byte order mark, nothing behind it, no key twice.
pub fn parse(content: &[u8], report: &mut Report) -> Option<Value> {
    let text = match str::from_utf8(content) {
        Ok(text) => text,
        Err(e) => {
            report.error(line_of(content, e.valid_up_to()), "is not UTF-8");
            return None;
        }
    };
    if text.starts_with(BYTE_ORDER_MARK) {
        report.error(line_of(content, 0), "begins with a byte order mark");
        return None;
    }
    json::parse(text)
        .map_err(|e| {
            let place = Place::Line {
                line: e.line().max(1),
                column: e.column().max(1),
            };
            let reason = e.to_string();
            let position = format!(" at line {} column {}", e.line(), e.column());
            report.error(place, reason.strip_suffix(&position).unwrap_or(&reason));
        })
        .ok()
}

fn line_of(content: &[u8], offset: usize) -> Place {
    let before = &content[..offset];
    let start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |i| i + 1);
    Place::Line {
        line: 1 + before.iter().filter(|b| **b == b'\n').count(),
        column: 1 + offset - start,
    }
}
