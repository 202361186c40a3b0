//! Text of unknown origin on a terminal: harmless, and of a known width.

use std::borrow::Cow;
use std::fmt::Write;

/// Colours, when they are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub colour: bool,
}

impl Style {
    /// A success.
    pub fn good(self, text: &str) -> Cow<'_, str> {
        self.paint("32", text)
    }

    /// A failure.
    pub fn bad(self, text: &str) -> Cow<'_, str> {
        self.paint("31", text)
    }

    /// A heading.
    pub fn strong(self, text: &str) -> Cow<'_, str> {
        self.paint("1", text)
    }

    fn paint<'a>(self, code: &str, text: &'a str) -> Cow<'a, str> {
        if self.colour && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m").into()
        } else {
            text.into()
        }
    }
}

/// The text without anything that a terminal acts on or that hides or turns around what stands next to it.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\t' {
            out.push_str("    ");
        } else if c.is_control() {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        } else if is_invisible(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Format characters: zero width, direction of writing, separators of lines, tags.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The number of columns that a printable character takes, as terminals commonly count it.
fn columns(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{fe20}'..='\u{fe2f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// The number of columns that a printable text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// The longest beginning that is no wider than `limit`, and the rest.
fn split(text: &str, limit: usize) -> (&str, &str) {
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += columns(*c);
        used > limit
    });
    text.split_at(end.map_or(text.len(), |(i, _)| i))
}

/// The longest end that is no wider than `limit`.
fn end_of(text: &str, limit: usize) -> &str {
    let mut used = 0;
    let start = text.char_indices().rev().take_while(|(_, c)| {
        used += columns(*c);
        used <= limit
    });
    &text[start.last().map_or(text.len(), |(i, _)| i)..]
}

/// A printable path in at most `limit` columns, the middle left out and the base name kept.
pub fn shorten(path: &str, limit: usize) -> Cow<'_, str> {
    if width(path) <= limit {
        return path.into();
    }
    let base = path.rsplit('/').next().unwrap_or(path);
    match limit.checked_sub(width(base) + 2) {
        Some(room) => format!("{}…/{base}", split(path, room).0).into(),
        None => {
            let room = limit.saturating_sub(1);
            let start = split(base, room / 2).0;
            format!("{start}…{}", end_of(base, room - width(start))).into()
        }
    }
}

/// A printable line in pieces of at most `limit` columns, one at least. It is broken at a blank, which is then left out,
/// unless a piece would become less than half as long.
pub fn wrap(line: &str, limit: usize) -> Vec<String> {
    // Less than the widest character would be no progress.
    let limit = limit.max(2);
    let mut pieces = Vec::new();
    let mut rest = line.trim_end();
    loop {
        let (piece, after) = split(rest, limit);
        if after.is_empty() {
            pieces.push(piece.to_owned());
            return pieces;
        }
        let blank = if after.starts_with(' ') {
            Some(piece.len())
        } else {
            piece.rfind(' ')
        };
        let end = blank
            .filter(|end| *end >= piece.len() / 2 && *end > 0)
            .unwrap_or(piece.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(piece.trim_end().to_owned());
        rest = after.trim_start_matches(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_the_terminal() {
        assert_eq!(
            printable("a\tb\x1b[2J\x07\u{9b}\r\n\x7f\0"),
            "a    b\\x1b[2J\\x07\\x9b\\x0d\\x0a\\x7f\\x00"
        );
        assert_eq!(
            printable("x\u{202e}y\u{200b}é漢"),
            "x\\u{202e}y\\u{200b}é漢"
        );
    }

    #[test]
    fn the_base_name_is_kept() {
        assert_eq!(shorten("/usr/bin/net-up", 15), "/usr/bin/net-up");
        assert_eq!(shorten("/usr/bin/net-up", 14), "/usr/b…/net-up");
        assert_eq!(shorten("/usr/bin/net-up", 8), "…/net-up");
        assert_eq!(shorten("/usr/bin/net-up", 7), "net…-up");
        assert_eq!(shorten("/漢漢漢漢/字", 7), "/漢…/字");
        for limit in 1..40 {
            let text = shorten("/opt/漢字漢字漢字/bin/漢字-and-a-long-name", limit).into_owned();
            assert!(width(&text) <= limit, "{limit}: {text}");
        }
    }

    #[test]
    fn lines_are_wrapped() {
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("12345", 5), ["12345"]);
        assert_eq!(wrap("1234567", 5), ["12345", "67"]);
        assert_eq!(wrap("漢漢漢", 5), ["漢漢", "漢"]);
        assert_eq!(wrap("漢漢", 0), ["漢", "漢"]);
        assert_eq!(wrap("one two three", 9), ["one two", "three"]);
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a bcdefghijkl  ", 9), ["a bcdefgh", "ijkl"]);
        assert_eq!(wrap("            x", 9), ["", "x"]);
    }
}
