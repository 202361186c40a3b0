//! Feeds bytes to everything that reads from the engine's socket: the multiplexer, ttrpc and the messages.
//!
//! `cargo +nightly fuzz run wire --fuzz-dir crates/nri-plugin/fuzz -- -max_total_time=60`
#![no_main]

use libfuzzer_sys::fuzz_target;
use nri_plugin::wire::messages::{ConfigureRequest, CreateContainerRequest, SynchronizeRequest};
use nri_plugin::wire::mux::{Channel, Demultiplexer, Oversized, frames};
use nri_plugin::wire::ttrpc::{Assembler, Message, PAYLOAD_MAX, ProtocolError};
use prost::Message as _;

/// What comes out of a stream that arrives in pieces of `size` bytes, and whether it broke off.
fn messages(bytes: &[u8], size: usize) -> (Vec<Message>, bool) {
    let mut demultiplexer = Demultiplexer::default();
    let mut assemblers = [Assembler::default(), Assembler::default()];
    let mut all = Vec::new();
    for piece in bytes.chunks(size) {
        let fed = demultiplexer.feed(piece, |channel, bytes| -> Result<(), Broken> {
            let assembler = &mut assemblers[channel as usize - 1];
            Ok(assembler.feed(bytes, |message| all.push(message))?)
        });
        if fed.is_err() {
            return (all, true);
        }
    }
    (all, false)
}

struct Broken;

impl From<Oversized> for Broken {
    fn from(_: Oversized) -> Broken {
        Broken
    }
}

impl From<ProtocolError> for Broken {
    fn from(_: ProtocolError) -> Broken {
        Broken
    }
}

fuzz_target!(|bytes: &[u8]| {
    let whole = messages(bytes, usize::MAX);
    for size in [1, 7, 4096] {
        assert_eq!(messages(bytes, size), whole);
    }
    for message in whole.0 {
        assert!(message.payload.len() <= PAYLOAD_MAX);
        let _ = message.as_response();
        if let Ok(request) = message.as_request() {
            let _ = ConfigureRequest::decode(&*request.payload);
            let _ = CreateContainerRequest::decode(&*request.payload);
            let _ = SynchronizeRequest::decode(&*request.payload);
        }
        let stream = frames(Channel::Plugin, &message.encode());
        assert_eq!(messages(&stream, usize::MAX), (vec![message], false));
    }
});
