//! The little JSON that records need, written without an allocator.

use crate::Sink;
use crate::shown::{Value, write};

/// Writes `bytes` as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD, control characters `\u00XX`.
pub fn string(bytes: &[u8], sink: Sink) {
    write(Value::Text(bytes), true, sink);
}
