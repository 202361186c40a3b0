//! The little JSON that records need: strings and numbers, written without an allocator.

use crate::Sink;

/// Writes `bytes` as a JSON string with its quotes. Invalid UTF-8 becomes `\ufffd`, control characters `\u00XX`.
pub fn string(bytes: &[u8], sink: Sink) {
    sink(b"\"");
    for chunk in bytes.utf8_chunks() {
        escaped(chunk.valid().as_bytes(), sink);
        if !chunk.invalid().is_empty() {
            sink(b"\\ufffd");
        }
    }
    sink(b"\"");
}

/// Writes bytes of valid UTF-8 with what JSON demands escaped.
fn escaped(mut bytes: &[u8], sink: Sink) {
    while let Some(position) = bytes
        .iter()
        .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f))
    {
        let (plain, rest) = bytes.split_at_checked(position).unwrap_or_default();
        sink(plain);
        let Some((special, rest)) = rest.split_first() else {
            return;
        };
        match special {
            b'"' => sink(b"\\\""),
            b'\\' => sink(b"\\\\"),
            control => unicode(*control, sink),
        }
        bytes = rest;
    }
    sink(bytes);
}

fn unicode(byte: u8, sink: Sink) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value & 15)).copied().unwrap_or(b'0');
    sink(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte)]);
}

/// Writes a number, or `null`.
pub fn number_or_null(value: Option<u64>, sink: Sink) {
    match value {
        Some(value) => crate::decimal(value, sink),
        None => sink(b"null"),
    }
}

/// Writes a string, or `null`.
pub fn string_or_null(value: Option<&[u8]>, sink: Sink) {
    match value {
        Some(value) => string(value, sink),
        None => sink(b"null"),
    }
}
