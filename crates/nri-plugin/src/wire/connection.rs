//! One connection to the engine: messages of both channels over a stream socket.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::mux::{self, Channel, Demultiplexer, Oversized};
use super::ttrpc::{self, Assembler, Message, ProtocolError};

/// Bytes of the longest message that we send. The engine queues 256 frames and closes the connection at the next one.
pub const OWN_MESSAGE_MAX: usize = 256 * (mux::OWN_FRAME_MAX - mux::HEADER) - ttrpc::HEADER;
/// How long the engine may leave what we send unread.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// The connection is of no use any more.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ConnectionError {
    #[error("read from the engine: {0}")]
    Read(#[source] io::Error),
    #[error("write to the engine: {0}")]
    Write(#[source] io::Error),
    #[error("engine breaks the protocol: {0}")]
    Frame(#[from] Oversized),
    #[error("engine breaks the protocol: {0}")]
    Message(#[from] ProtocolError),
}

/// A connection to the engine.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    demultiplexer: Demultiplexer,
    plugin: Assembler,
    runtime: Assembler,
    received: VecDeque<(Channel, Message)>,
}

impl Connection {
    /// Speaks over a connected socket.
    pub fn new(stream: UnixStream) -> io::Result<Connection> {
        stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        Ok(Connection {
            stream,
            demultiplexer: Demultiplexer::default(),
            plugin: Assembler::default(),
            runtime: Assembler::default(),
            received: VecDeque::new(),
        })
    }

    /// Reads once, which blocks when nothing has come. False at the end of the stream.
    pub fn read(&mut self) -> Result<bool, ConnectionError> {
        let mut buffer = [0; 16 << 10];
        let count = match self.stream.read(&mut buffer) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
            Err(e) => return Err(ConnectionError::Read(e)),
        };
        let Connection {
            demultiplexer,
            plugin,
            runtime,
            received,
            ..
        } = self;
        demultiplexer.feed(
            &buffer[..count],
            |channel, piece| -> Result<(), ConnectionError> {
                let assembler = match channel {
                    Channel::Plugin => &mut *plugin,
                    Channel::Runtime => &mut *runtime,
                };
                Ok(assembler.feed(piece, |message| received.push_back((channel, message)))?)
            },
        )?;
        Ok(count > 0)
    }

    /// The next message that has been read.
    pub fn received(&mut self) -> Option<(Channel, Message)> {
        self.received.pop_front()
    }

    /// Sends a message, which must not exceed [`OWN_MESSAGE_MAX`].
    pub fn send(&mut self, channel: Channel, message: &Message) -> Result<(), ConnectionError> {
        debug_assert!(message.payload.len() <= OWN_MESSAGE_MAX);
        self.stream
            .write_all(&mux::frames(channel, &message.encode()))
            .map_err(ConnectionError::Write)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_both_channels_in_their_order() {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        let mut connection = Connection::new(ours).unwrap();
        let message = |stream| Message {
            stream,
            kind: ttrpc::REQUEST,
            payload: vec![1; 9000],
        };
        for (channel, stream) in [
            (Channel::Plugin, 1),
            (Channel::Runtime, 1),
            (Channel::Plugin, 3),
        ] {
            peer.write_all(&mux::frames(channel, &message(stream).encode()))
                .unwrap();
        }
        drop(peer);
        while connection.read().unwrap() {}
        let received = std::iter::from_fn(|| connection.received());
        let order: Vec<_> = received
            .map(|(channel, message)| (channel, message.stream))
            .collect();
        assert_eq!(
            order,
            [
                (Channel::Plugin, 1),
                (Channel::Runtime, 1),
                (Channel::Plugin, 3)
            ]
        );
    }

    #[test]
    fn the_longest_message_is_256_frames() {
        let message = Message {
            stream: 1,
            kind: ttrpc::RESPONSE,
            payload: vec![0; OWN_MESSAGE_MAX],
        };
        let bytes = mux::frames(Channel::Plugin, &message.encode());
        assert_eq!(bytes.len(), 256 * mux::OWN_FRAME_MAX);
    }
}
