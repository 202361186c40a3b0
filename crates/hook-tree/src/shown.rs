//! Text of any bytes made harmless, and the writer behind the encoders of records and failure lines.
//!
//! Small rather than fast, because the launcher holds all of it; a hook's output that is shown is 4 KiB at most.

use crate::decimal;

/// A part of a line.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// A number in decimal.
    Number(u64),
    /// Text as it is.
    Raw(&'a [u8]),
    /// Text of any bytes.
    Text(&'a [u8]),
}

impl Value<'_> {
    pub(crate) const NULL: Value<'static> = Value::Raw(b"null");

    /// A number or `null`.
    pub(crate) fn small(number: Option<u8>) -> Value<'static> {
        number.map_or(Value::NULL, |number| Value::Number(number.into()))
    }
}

/// Writes a part of a line; text of any bytes is escaped and in JSON quoted.
#[inline(never)]
pub(crate) fn write<S: FnMut(&[u8]) + ?Sized>(value: Value, json: bool, sink: &mut S) {
    match value {
        Value::Number(number) => decimal(number, sink),
        Value::Raw(text) => sink(text),
        Value::Text(text) => {
            let quote: &[u8] = if json { b"\"" } else { b"" };
            sink(quote);
            escape(text, json, sink);
            sink(quote);
        }
    }
}

/// Writes text for JSON, or for a terminal: there control characters are `\xXX`. Invalid UTF-8 becomes U+FFFD.
///
/// JSON demands that C0 controls are escaped; a terminal is driven by C1 controls as well.
fn escape<S: FnMut(&[u8]) + ?Sized>(mut text: &[u8], json: bool, sink: &mut S) {
    while !text.is_empty() {
        let (length, code) = first(text);
        let (piece, rest) = text.split_at_checked(length).unwrap_or((text, b""));
        text = rest;
        if code == INVALID {
            sink("\u{fffd}".as_bytes());
            continue;
        }
        if code < 0x20 || (0x7f..0xa0).contains(&code) {
            sink(if json { b"\\u00" } else { b"\\x" });
            sink(&[digit(code as u8 >> 4), digit(code as u8 & 15)]);
            continue;
        }
        if json && (code == u32::from(b'"') || code == u32::from(b'\\')) {
            sink(b"\\");
        }
        sink(piece);
    }
}

/// A digit of base 16 or below.
pub(crate) fn digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'a' - 10 + value
    }
}

/// Stands for a sequence that is no character.
const INVALID: u32 = u32::MAX;

/// The length and the code of the first character.
///
/// Of an invalid sequence it takes what `String::from_utf8_lossy` replaces by one character: the longest beginning of a
/// valid one, or one byte (Unicode, section 3.9).
fn first(text: &[u8]) -> (usize, u32) {
    let lead = text.first().copied().unwrap_or_default();
    let bytes = (!lead).leading_zeros() as usize;
    if bytes == 0 {
        return (1, lead.into());
    }
    if !(2..=4).contains(&bytes) {
        return (1, INVALID);
    }
    let mut code = u32::from(lead) & 0x7f >> bytes;
    for length in 1..bytes {
        let next = text.get(length).copied().unwrap_or_default();
        if next & 0xc0 != 0x80 {
            return (length, INVALID);
        }
        code = code << 6 | u32::from(next & 0x3f);
        // The first two bytes tell whether there are more than needed (fewer bits than 7, 5 or 4 of them are used), and
        // whether this is a surrogate or above U+10FFFF.
        let excess = code >> (0x457 >> (4 * (bytes - 2)) & 15) == 0;
        let surrogate = bytes == 3 && code >> 5 == 0x1b;
        let above = bytes == 4 && code >= 0x110;
        if length == 1 && (excess || surrogate || above) {
            return (1, INVALID);
        }
    }
    (bytes, code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    fn shown(text: &[u8]) -> String {
        let mut bytes = Vec::new();
        escape(text, false, &mut |piece| bytes.extend_from_slice(piece));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn controls_and_invalid_bytes_are_visible() {
        assert_eq!(
            shown("a\u{1b}[2J\u{85}\u{7f}é\u{a0}€😀".as_bytes()),
            "a\\x1b[2J\\x85\\x7fé\u{a0}€😀"
        );
        assert_eq!(shown(b"a\xff\xc3"), "a\u{fffd}\u{fffd}");
    }

    #[test]
    fn invalid_sequences_are_replaced_like_the_standard_library_does() {
        for first in 0x7f..=0xff {
            for second in [
                0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff,
            ] {
                for third in [0x41, 0x80, 0xbf, 0xe0] {
                    let text = [first, second, third, 0xbf];
                    let expected = String::from_utf8_lossy(&text);
                    let mut json = Vec::new();
                    crate::json::string(&text, &mut |piece| json.extend_from_slice(piece));
                    let read: String = serde_json::from_slice(&json).unwrap();
                    assert_eq!(read, expected, "{text:?}");
                }
            }
        }
    }
}
