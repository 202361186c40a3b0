//! Text of any bytes made harmless, and the writer behind the encoders of records and failure lines.
//!
//! Small rather than fast, because the launcher holds all of it; a hook's output that is shown is 4 KiB at most.

use crate::{Sink, decimal};

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

/// Writes the parts of a line, of JSON or for people.
pub(crate) struct Writer<'a> {
    pub(crate) sink: Sink<'a>,
    pub(crate) json: bool,
}

impl Writer<'_> {
    /// Writes a part; text of any bytes is escaped and in JSON quoted.
    #[inline(never)]
    pub(crate) fn write(&mut self, value: Value) {
        let quote: &[u8] = if self.json { b"\"" } else { b"" };
        match value {
            Value::Number(number) => decimal(number, self.sink),
            Value::Raw(text) => (self.sink)(text),
            Value::Text(text) => {
                (self.sink)(quote);
                escape(text, self.json, self.sink);
                (self.sink)(quote);
            }
        }
    }
}

/// Writes text for JSON, or for a terminal: there control characters are `\xXX`. Invalid UTF-8 becomes U+FFFD.
pub(crate) fn escape(mut text: &[u8], json: bool, sink: Sink) {
    while !text.is_empty() {
        let (length, character) = first(text);
        let (piece, rest) = text.split_at_checked(length).unwrap_or((text, b""));
        text = rest;
        match character {
            None if json => sink(b"\\ufffd"),
            None => sink("\u{fffd}".as_bytes()),
            Some(b'"' | b'\\') if json => {
                sink(b"\\");
                sink(piece);
            }
            Some(control) if is_control(control, json) => {
                sink(if json { b"\\u00" } else { b"\\x" });
                sink(&[digit(control >> 4), digit(control & 15)]);
            }
            Some(_) => sink(piece),
        }
    }
}

/// JSON demands that C0 controls are escaped; a terminal is driven by C1 controls as well.
fn is_control(character: u8, json: bool) -> bool {
    character < 0x20 || character == 0x7f || (!json && (0x80..0xa0).contains(&character))
}

fn digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'a' - 10 + value
    }
}

/// The length of the first character and, when it is valid, its value as far as a byte can hold it: 255 stands for all
/// that are greater.
///
/// Of an invalid sequence it takes what `String::from_utf8_lossy` replaces by one character: the longest beginning of a
/// valid one, or one byte (Unicode, section 3.9).
fn first(text: &[u8]) -> (usize, Option<u8>) {
    let (lead, rest) = match text {
        [lead, rest @ ..] => (*lead, rest),
        [] => return (0, None),
    };
    if lead < 0x80 {
        return (1, Some(lead));
    }
    let (following, mut low, mut high) = match lead {
        0xc2..0xe0 => (1, 0x80, 0xbf),
        0xe0 => (2, 0xa0, 0xbf),
        0xed => (2, 0x80, 0x9f),
        0xe1..0xf0 => (2, 0x80, 0xbf),
        0xf0 => (3, 0x90, 0xbf),
        0xf1..0xf4 => (3, 0x80, 0xbf),
        0xf4 => (3, 0x80, 0x8f),
        _ => return (1, None),
    };
    let mut length = 1;
    for byte in rest.iter().take(following) {
        if !(low..=high).contains(byte) {
            return (length, None);
        }
        (low, high) = (0x80, 0xbf);
        length += 1;
    }
    if length <= following {
        return (length, None);
    }
    match (lead, rest.first()) {
        (0xc2, Some(byte)) => (length, Some(*byte)),
        _ => (length, Some(u8::MAX)),
    }
}
