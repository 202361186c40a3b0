//! ttrpc: messages with a header of ten bytes, and the envelopes of a request and of its response.
//!
//! The header: length of the payload (32 bits big-endian), number of the stream (32 bits big-endian), type, flags.
//! <https://github.com/containerd/ttrpc/blob/main/PROTOCOL.md>

use prost::Message as _;

/// Bytes of a message's header.
pub const HEADER: usize = 10;
/// Bytes of the longest payload in either direction; the protocol's own limit.
pub const PAYLOAD_MAX: usize = 4 << 20;

/// The type of a message.
pub const REQUEST: u8 = 1;
/// The type of the message that ends a stream.
pub const RESPONSE: u8 = 2;

/// A message with its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Pairs a request with its response.
    pub stream: u32,
    /// [`REQUEST`], [`RESPONSE`], or a type that only streaming calls use.
    pub kind: u8,
    /// An encoded [`Request`] or [`Response`].
    pub payload: Vec<u8>,
}

/// The payload of a request.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Request {
    /// Full name of the service, such as `nri.pkg.api.v1alpha1.Plugin`.
    #[prost(string, tag = "1")]
    pub service: String,
    /// Name of the method.
    #[prost(string, tag = "2")]
    pub method: String,
    /// The method's own message.
    #[prost(bytes = "vec", tag = "3")]
    pub payload: Vec<u8>,
    /// How long the caller waits, in nanoseconds; 0 is no limit.
    #[prost(int64, tag = "4")]
    pub timeout_nano: i64,
}

/// The payload of a response.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Response {
    /// Absent, or of code 0, when the call succeeded.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// The method's own message.
    #[prost(bytes = "vec", tag = "2")]
    pub payload: Vec<u8>,
}

/// How a call ended, with the codes of gRPC.
#[derive(Clone, PartialEq, Eq, prost::Message, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct Status {
    /// One of the codes below, or another of gRPC's.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// Text for people.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// gRPC's INVALID_ARGUMENT.
pub const INVALID_ARGUMENT: i32 = 3;
/// gRPC's RESOURCE_EXHAUSTED.
pub const RESOURCE_EXHAUSTED: i32 = 8;
/// gRPC's FAILED_PRECONDITION.
pub const FAILED_PRECONDITION: i32 = 9;
/// gRPC's UNIMPLEMENTED.
pub const UNIMPLEMENTED: i32 = 12;

impl Status {
    /// The status of a call that failed.
    pub fn new(code: i32, message: impl Into<String>) -> Status {
        Status {
            code,
            message: message.into(),
        }
    }
}

impl Response {
    /// The response to a call that succeeded with `payload` or failed.
    pub fn from_result(result: Result<Vec<u8>, Status>) -> Response {
        match result {
            Ok(payload) => Response {
                status: None,
                payload,
            },
            Err(status) => Response {
                status: Some(status),
                payload: Vec::new(),
            },
        }
    }

    /// The payload, or the status of a call that failed.
    pub fn into_result(self) -> Result<Vec<u8>, Status> {
        match self.status {
            Some(status) if status.code != 0 => Err(status),
            _ => Ok(self.payload),
        }
    }
}

/// The peer sent what is no ttrpc.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ProtocolError {
    #[error("ttrpc message of {0} bytes: the longest allowed has {PAYLOAD_MAX}")]
    Oversized(u32),
    #[error("ttrpc {what} on stream {stream}: {source}")]
    Undecodable {
        what: &'static str,
        stream: u32,
        source: prost::DecodeError,
    },
}

impl Message {
    /// A request on `stream`.
    pub fn request(stream: u32, request: &Request) -> Message {
        Message {
            stream,
            kind: REQUEST,
            payload: request.encode_to_vec(),
        }
    }

    /// The response to the request on `stream`.
    pub fn response(stream: u32, response: &Response) -> Message {
        Message {
            stream,
            kind: RESPONSE,
            payload: response.encode_to_vec(),
        }
    }

    /// The bytes that are sent.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.payload.len());
        bytes.extend_from_slice(&(self.payload.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&[self.kind, 0]);
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// The payload as that of a request.
    pub fn as_request(&self) -> Result<Request, ProtocolError> {
        Request::decode(&*self.payload).map_err(|source| self.undecodable("request", source))
    }

    /// The payload as that of a response.
    pub fn as_response(&self) -> Result<Response, ProtocolError> {
        Response::decode(&*self.payload).map_err(|source| self.undecodable("response", source))
    }

    fn undecodable(&self, what: &'static str, source: prost::DecodeError) -> ProtocolError {
        ProtocolError::Undecodable {
            what,
            stream: self.stream,
            source,
        }
    }
}

/// Puts the messages of one channel together again.
#[derive(Debug, Default)]
pub struct Assembler {
    bytes: Vec<u8>,
}

impl Assembler {
    /// Takes the next bytes of the channel and hands over every message that is complete.
    ///
    /// # Errors
    /// A message that is too long; nothing of its payload is read.
    pub fn feed(
        &mut self,
        mut piece: &[u8],
        mut complete: impl FnMut(Message),
    ) -> Result<(), ProtocolError> {
        loop {
            piece = self.fill(HEADER, piece);
            let Some(&[a, b, c, d, e, f, g, h, kind, _flags]) = self.bytes.first_chunk() else {
                return Ok(());
            };
            let length = u32::from_be_bytes([a, b, c, d]);
            if length as usize > PAYLOAD_MAX {
                return Err(ProtocolError::Oversized(length));
            }
            let end = HEADER + length as usize;
            piece = self.fill(end, piece);
            if self.bytes.len() < end {
                return Ok(());
            }
            // A new buffer each time, so that the one long Synchronize does not stay allocated.
            let payload = std::mem::take(&mut self.bytes).split_off(HEADER);
            let stream = u32::from_be_bytes([e, f, g, h]);
            complete(Message {
                stream,
                kind,
                payload,
            });
        }
    }

    /// Moves bytes of `piece` to the buffer until that has `end` bytes, and returns the rest.
    fn fill<'a>(&mut self, end: usize, piece: &'a [u8]) -> &'a [u8] {
        let missing = end.saturating_sub(self.bytes.len());
        let (taken, rest) = piece.split_at(missing.min(piece.len()));
        self.bytes.extend_from_slice(taken);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(payload: Vec<u8>) -> Request {
        Request {
            service: "s".into(),
            method: "m".into(),
            payload,
            timeout_nano: 5,
        }
    }

    #[test]
    fn bytes_of_a_request() {
        let bytes = Message::request(3, &request(b"xy".to_vec())).encode();
        let expected = b"\0\0\0\x0c\0\0\0\x03\x01\0\x0a\x01s\x12\x01m\x1a\x02xy\x20\x05";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn bytes_of_a_failed_response() {
        let status = Status::new(UNIMPLEMENTED, "no");
        let bytes = Message::response(5, &Response::from_result(Err(status))).encode();
        assert_eq!(
            bytes,
            b"\0\0\0\x08\0\0\0\x05\x02\0\x0a\x06\x08\x0c\x12\x02no"
        );
    }

    #[test]
    fn a_status_of_code_zero_is_success() {
        let response = Response {
            status: Some(Status::new(0, "")),
            payload: vec![1],
        };
        assert_eq!(response.into_result().unwrap(), [1]);
    }

    #[test]
    fn oversized_messages_are_refused_by_their_header() {
        let mut assembler = Assembler::default();
        let header = [0, 0x40, 0, 1, 0, 0, 0, 1, 1, 0];
        let error = assembler
            .feed(&header, |_| panic!("a message"))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "ttrpc message of 4194305 bytes: the longest allowed has 4194304"
        );
    }

    #[test]
    fn an_empty_message_needs_no_more_than_its_header() {
        let mut messages = Vec::new();
        let bytes = [0, 0, 0, 0, 0, 0, 0, 9, 2, 0];
        Assembler::default()
            .feed(&bytes, |message| messages.push(message))
            .unwrap();
        assert_eq!(
            messages,
            [Message {
                stream: 9,
                kind: RESPONSE,
                payload: vec![]
            }]
        );
    }

    #[test]
    fn what_cannot_be_decoded_names_its_stream() {
        let message = Message {
            stream: 7,
            kind: REQUEST,
            payload: vec![0xff],
        };
        let error = message.as_request().unwrap_err().to_string();
        assert!(error.starts_with("ttrpc request on stream 7: "), "{error}");
    }

    proptest! {
        #[test]
        fn any_split_is_the_same_messages(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..6),
            size in 1usize..40,
        ) {
            let sent: Vec<Message> = payloads
                .into_iter()
                .zip((1..).step_by(2))
                .map(|(payload, stream)| Message { stream, kind: REQUEST, payload })
                .collect();
            let stream: Vec<u8> = sent.iter().flat_map(Message::encode).collect();
            let mut assembler = Assembler::default();
            let mut received = Vec::new();
            for piece in stream.chunks(size) {
                assembler.feed(piece, |message| received.push(message)).unwrap();
            }
            prop_assert_eq!(received, sent);
        }
    }
}
