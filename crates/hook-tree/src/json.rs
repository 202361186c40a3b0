//! The little JSON that records need, written without an allocator.

use crate::{Sink, shown};

/// Writes `bytes` as a JSON string with its quotes. Invalid UTF-8 becomes `\ufffd`, control characters `\u00XX`.
pub fn string(bytes: &[u8], sink: Sink) {
    sink(b"\"");
    shown::escape(bytes, true, sink);
    sink(b"\"");
}
