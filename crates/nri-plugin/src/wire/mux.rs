//! The multiplexer: frames that carry pieces of several channels over one stream.
//!
//! A frame is the channel's number and the length of the payload, both 32 bits big-endian, then the payload. Channels are
//! neither opened nor closed.

/// Bytes of a frame's header.
pub const HEADER: usize = 8;
/// Bytes of the longest frame that we send, with its header.
///
/// The engine reads a channel through a buffer of 4,096 bytes and closes the connection when a frame does not fit.
pub const OWN_FRAME_MAX: usize = 4096;
/// Bytes of the longest payload that we accept: older engines send up to 16 MiB, newer ones 4 MiB and 10 bytes.
pub const PAYLOAD_MAX: u32 = 16 << 20;

/// A channel that both sides know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The plugin serves, the engine asks.
    Plugin = 1,
    /// The engine serves, the plugin asks.
    Runtime = 2,
}

impl Channel {
    fn from_id(id: u32) -> Option<Channel> {
        [Channel::Plugin, Channel::Runtime]
            .into_iter()
            .find(|channel| *channel as u32 == id)
    }
}

/// The peer announced a frame that nobody may send.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "frame of {length} bytes on connection {id}: the longest allowed has {}",
    PAYLOAD_MAX
)]
pub struct Oversized {
    /// The channel's number.
    pub id: u32,
    /// Bytes announced.
    pub length: u32,
}

/// Takes the stream apart, wherever it is cut.
#[derive(Debug, Default)]
pub struct Demultiplexer {
    header: [u8; HEADER],
    filled: usize,
    channel: Option<Channel>,
    left: usize,
}

impl Demultiplexer {
    /// Takes the next bytes of the stream and hands every piece of a known channel to `sink`, in order. Nothing is kept
    /// but an incomplete header; what belongs to an unknown channel is dropped.
    ///
    /// # Errors
    /// A frame that is too long, or the first error of `sink`. The stream is of no use after that.
    pub fn feed<E: From<Oversized>>(
        &mut self,
        mut bytes: &[u8],
        mut sink: impl FnMut(Channel, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.left == 0 {
                bytes = self.take_header(bytes)?;
                continue;
            }
            let (piece, rest) = bytes.split_at(self.left.min(bytes.len()));
            if let Some(channel) = self.channel {
                sink(channel, piece)?;
            }
            self.left -= piece.len();
            bytes = rest;
        }
        Ok(())
    }

    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Oversized> {
        let (piece, rest) = bytes.split_at((HEADER - self.filled).min(bytes.len()));
        self.header[self.filled..self.filled + piece.len()].copy_from_slice(piece);
        self.filled += piece.len();
        if self.filled == HEADER {
            self.filled = 0;
            let [a, b, c, d, e, f, g, h] = self.header;
            let (id, length) = (
                u32::from_be_bytes([a, b, c, d]),
                u32::from_be_bytes([e, f, g, h]),
            );
            if length > PAYLOAD_MAX {
                return Err(Oversized { id, length });
            }
            self.channel = Channel::from_id(id);
            self.left = length as usize;
        }
        Ok(rest)
    }
}

/// Cuts what is to be sent on a channel into frames of at most [`OWN_FRAME_MAX`] bytes.
pub fn frames(channel: Channel, bytes: &[u8]) -> Vec<u8> {
    let pieces = bytes.chunks(OWN_FRAME_MAX - HEADER);
    let mut stream = Vec::with_capacity(bytes.len() + pieces.len() * HEADER);
    for piece in pieces {
        stream.extend_from_slice(&(channel as u32).to_be_bytes());
        stream.extend_from_slice(&(piece.len() as u32).to_be_bytes());
        stream.extend_from_slice(piece);
    }
    stream
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(id: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    fn received<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<[Vec<u8>; 2], Oversized> {
        let mut demultiplexer = Demultiplexer::default();
        let mut all = [Vec::new(), Vec::new()];
        for piece in pieces {
            demultiplexer.feed(piece, |channel, bytes| -> Result<(), Oversized> {
                all[channel as usize - 1].extend_from_slice(bytes);
                Ok(())
            })?;
        }
        Ok(all)
    }

    #[test]
    fn own_frames_fit_the_engines_buffer() {
        let stream = frames(Channel::Plugin, &[7; 20_000]);
        let mut rest = stream.as_slice();
        let mut lengths = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[4..8].try_into().unwrap()) as usize;
            lengths.push(HEADER + length);
            rest = &rest[HEADER + length..];
        }
        assert_eq!(lengths, [4096, 4096, 4096, 4096, 3656]);
    }

    #[test]
    fn unknown_connections_are_ignored() {
        let mut stream = frame(0, b"reserved");
        stream.extend(frame(1, b"a"));
        stream.extend(frame(3, &[0xff; 10_000]));
        stream.extend(frame(u32::MAX, b""));
        stream.extend(frame(2, b"b"));
        stream.extend(frame(1, b"c"));
        assert_eq!(
            received([&*stream]).unwrap(),
            [b"ac".to_vec(), b"b".to_vec()]
        );
    }

    #[test]
    fn oversized_frames_are_refused_before_their_payload() {
        let mut header = 1u32.to_be_bytes().to_vec();
        header.extend((PAYLOAD_MAX + 1).to_be_bytes());
        let error = received([&*header]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "frame of 16777217 bytes on connection 1: the longest allowed has 16777216"
        );
        header[4..].copy_from_slice(&PAYLOAD_MAX.to_be_bytes());
        assert!(received([&*header]).is_ok());
    }

    proptest! {
        #[test]
        fn any_split_is_the_same_stream(
            sent in prop::collection::vec((0u32..4, prop::collection::vec(any::<u8>(), 0..40)), 0..12),
            cuts in prop::collection::vec(1usize..30, 1..20),
        ) {
            let stream: Vec<u8> = sent.iter().flat_map(|(id, payload)| frame(*id, payload)).collect();
            let mut pieces = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            let of = |id: u32| -> Vec<u8> {
                sent.iter().filter(|(other, _)| *other == id).flat_map(|(_, payload)| payload.clone()).collect()
            };
            prop_assert_eq!(received(pieces).unwrap(), [of(1), of(2)]);
        }

        #[test]
        fn what_is_framed_comes_out(payload in prop::collection::vec(any::<u8>(), 0..10_000)) {
            let stream = frames(Channel::Runtime, &payload);
            prop_assert_eq!(received([&*stream]).unwrap(), [Vec::new(), payload]);
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = received([&*noise]);
        }
    }
}
