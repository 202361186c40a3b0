//! The end of a stream, however long the stream is.

use crate::sys::Buf;

/// How many bytes are kept.
pub const KEPT: usize = 4096;

/// Takes the next piece of a stream, and keeps its last [`KEPT`] bytes.
pub fn keep(tail: &mut Buf, piece: &[u8]) {
    let piece = piece
        .get(piece.len().saturating_sub(KEPT)..)
        .unwrap_or_default();
    tail.discard_front((tail.bytes().len() + piece.len()).saturating_sub(KEPT));
    tail.append(&[piece]);
}
