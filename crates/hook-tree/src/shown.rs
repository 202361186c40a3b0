//! Text of any bytes made harmless, and the writer behind the encoders of records and failure lines.
//!
//! Small rather than fast, because the launcher holds all of it; a hook's output that is shown is 4 KiB at most.

use crate::{Sink, decimal};

/// Writes pieces of a line. One pointer for what a [`Sink`] has two.
pub(crate) struct Writer<'a> {
    sink: Sink<'a>,
    separator: u8,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(sink: Sink<'a>) -> Writer<'a> {
        Writer {
            sink,
            separator: b'{',
        }
    }

    /// Text as it is.
    #[inline(never)]
    pub(crate) fn raw(&mut self, text: &str) {
        (self.sink)(text.as_bytes());
    }

    /// A number in decimal.
    #[inline(never)]
    pub(crate) fn decimal(&mut self, number: u64) {
        decimal(number, self.sink);
    }

    /// Text for a terminal or a log.
    #[inline(never)]
    pub(crate) fn plain(&mut self, text: &[u8]) {
        escape(text, false, self.sink);
    }

    /// A JSON string.
    #[inline(never)]
    pub(crate) fn json(&mut self, text: &[u8]) {
        (self.sink)(b"\"");
        escape(text, true, self.sink);
        (self.sink)(b"\"");
    }

    /// The name of the next member of a JSON object.
    #[inline(never)]
    pub(crate) fn key(&mut self, name: &str) {
        (self.sink)(&[self.separator]);
        self.separator = b',';
        self.json(name.as_bytes());
        (self.sink)(b":");
    }

    /// A member with a number.
    #[inline(never)]
    pub(crate) fn number(&mut self, name: &str, number: u64) {
        self.key(name);
        self.decimal(number);
    }

    /// A member with a number or `null`.
    #[inline(never)]
    pub(crate) fn number_or_null(&mut self, name: &str, number: Option<u8>) {
        match number {
            Some(number) => self.number(name, number.into()),
            None => {
                self.key(name);
                self.raw("null");
            }
        }
    }

    /// A member with a string.
    #[inline(never)]
    pub(crate) fn string(&mut self, name: &str, text: &[u8]) {
        self.key(name);
        self.json(text);
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
