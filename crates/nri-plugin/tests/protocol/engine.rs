//! The engine's side of the protocol over a real socket, written apart from the plugin's own code.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nri_plugin::wire::messages::{
    ConfigureRequest, ConfigureResponse, CreateContainerRequest, CreateContainerResponse,
    RegisterPluginRequest, SynchronizeRequest, SynchronizeResponse,
};
use nri_plugin::wire::ttrpc::{Request, Response, Status};
use prost::Message;

/// Bounds every wait; a loaded machine is slow, and what hangs hangs longer.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The connections of the multiplexer.
pub const PLUGIN: u32 = 1;
pub const RUNTIME: u32 = 2;
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;

/// An engine that listens.
pub struct Engine {
    listener: UnixListener,
    path: PathBuf,
}

impl Engine {
    pub fn listen(path: &Path) -> Engine {
        let listener = UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Engine {
            listener,
            path: path.to_owned(),
        }
    }

    /// The next plugin that connects.
    pub fn accept(&self) -> Peer {
        let began = Instant::now();
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    return Peer::new(stream);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock && began.elapsed() < PATIENCE => {
                    sleep(Duration::from_millis(2));
                }
                Err(e) => panic!("no plugin connects: {e}"),
            }
        }
    }

    /// Accepts a plugin and goes with it through registration, configuration and synchronisation.
    pub fn start(&self) -> Peer {
        let mut peer = self.accept();
        peer.start("");
        peer
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A connected plugin, as the engine sees it.
pub struct Peer {
    stream: UnixStream,
    channels: HashMap<u32, Vec<u8>>,
    /// Lengths of the frames that came, with their headers.
    pub frames: Vec<usize>,
    next_stream: u32,
}

/// A ttrpc message.
pub struct Packet {
    pub stream: u32,
    pub kind: u8,
    pub payload: Vec<u8>,
}

impl Peer {
    pub fn new(stream: UnixStream) -> Peer {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Peer {
            stream,
            channels: HashMap::new(),
            frames: Vec::new(),
            next_stream: 1,
        }
    }

    /// The usual order of calls.
    pub fn start(&mut self, config: &str) -> RegisterPluginRequest {
        let (stream, registration) = self.registration();
        self.accept_registration(stream);
        self.configure(config).unwrap();
        assert!(!self.synchronize(false).more);
        registration
    }

    /// Waits for RegisterPlugin, and leaves it unanswered.
    pub fn registration(&mut self) -> (u32, RegisterPluginRequest) {
        let packet = self.receive(RUNTIME);
        assert_eq!(packet.kind, REQUEST);
        assert_eq!(packet.stream % 2, 1, "streams of a client are odd");
        let request = Request::decode(&*packet.payload).unwrap();
        assert_eq!(
            (&*request.service, &*request.method),
            ("nri.pkg.api.v1alpha1.Runtime", "RegisterPlugin")
        );
        let registration = RegisterPluginRequest::decode(&*request.payload).unwrap();
        (packet.stream, registration)
    }

    pub fn accept_registration(&mut self, stream: u32) {
        self.send(
            RUNTIME,
            stream,
            RESPONSE,
            &Response::default().encode_to_vec(),
        );
    }

    pub fn refuse_registration(&mut self, stream: u32, reason: &str) {
        let response = Response {
            status: Some(Status::new(2, reason)),
            payload: vec![],
        };
        self.send(RUNTIME, stream, RESPONSE, &response.encode_to_vec());
    }

    pub fn configure(&mut self, config: &str) -> Result<ConfigureResponse, Status> {
        self.configure_within(config, 2000)
    }

    pub fn configure_within(
        &mut self,
        config: &str,
        milliseconds: i64,
    ) -> Result<ConfigureResponse, Status> {
        let request = ConfigureRequest {
            config: config.to_owned(),
            runtime_name: "test".to_owned(),
            runtime_version: "1".to_owned(),
            request_timeout: milliseconds,
        };
        self.ask("Configure", &request)
    }

    pub fn synchronize(&mut self, more: bool) -> SynchronizeResponse {
        self.ask("Synchronize", &SynchronizeRequest { more })
            .unwrap()
    }

    pub fn create(
        &mut self,
        request: &CreateContainerRequest,
    ) -> Result<CreateContainerResponse, Status> {
        self.ask("CreateContainer", request)
    }

    fn ask<R: Message + Default>(
        &mut self,
        method: &str,
        request: &impl Message,
    ) -> Result<R, Status> {
        let payload = self.call(
            "nri.pkg.api.v1alpha1.Plugin",
            method,
            request.encode_to_vec(),
        )?;
        Ok(R::decode(&*payload).unwrap())
    }

    /// Calls any method with any payload.
    pub fn call(
        &mut self,
        service: &str,
        method: &str,
        payload: Vec<u8>,
    ) -> Result<Vec<u8>, Status> {
        let message = self.request(service, method, payload);
        self.write(&framed(PLUGIN, &message, 4096));
        self.answer()
    }

    /// The bytes of a request on the next stream.
    pub fn request(&mut self, service: &str, method: &str, payload: Vec<u8>) -> Vec<u8> {
        let request = Request {
            service: service.to_owned(),
            method: method.to_owned(),
            payload,
            timeout_nano: 0,
        };
        let stream = self.next_stream;
        self.next_stream += 2;
        message(stream, REQUEST, &request.encode_to_vec())
    }

    /// The answer to the last request.
    pub fn answer(&mut self) -> Result<Vec<u8>, Status> {
        let packet = self.receive(PLUGIN);
        assert_eq!(
            (packet.kind, packet.stream),
            (RESPONSE, self.next_stream - 2)
        );
        let response = Response::decode(&*packet.payload).unwrap();
        response.into_result()
    }

    fn send(&mut self, channel: u32, stream: u32, kind: u8, payload: &[u8]) {
        self.write(&framed(channel, &message(stream, kind, payload), 4096));
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next message on a channel.
    pub fn receive(&mut self, channel: u32) -> Packet {
        loop {
            let bytes = self.channels.entry(channel).or_default();
            if bytes.len() >= 10 {
                let length = number(&bytes[..4]) as usize;
                if bytes.len() >= 10 + length {
                    let rest = bytes.split_off(10 + length);
                    let whole = std::mem::replace(bytes, rest);
                    return Packet {
                        stream: number(&whole[4..8]),
                        kind: whole[8],
                        payload: whole[10..].to_vec(),
                    };
                }
            }
            assert!(self.read_frame(), "the plugin has closed the connection");
        }
    }

    fn read_frame(&mut self) -> bool {
        let mut header = [0; 8];
        match self.stream.read_exact(&mut header) {
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                ) =>
            {
                return false;
            }
            other => other.unwrap(),
        }
        let mut payload = vec![0; number(&header[4..]) as usize];
        self.stream.read_exact(&mut payload).unwrap();
        self.frames.push(header.len() + payload.len());
        let channel = self.channels.entry(number(&header[..4])).or_default();
        channel.extend_from_slice(&payload);
        true
    }

    /// Waits until the plugin closes the connection.
    pub fn closed(mut self) {
        while self.read_frame() {}
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

/// The bytes of a ttrpc message.
pub fn message(stream: u32, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(stream.to_be_bytes());
    bytes.extend([kind, 0]);
    bytes.extend(payload);
    bytes
}

/// `bytes` in frames of at most `size` bytes of payload.
pub fn framed(channel: u32, bytes: &[u8], size: usize) -> Vec<u8> {
    let pieces = bytes.chunks(size).map(|piece| {
        let mut frame = channel.to_be_bytes().to_vec();
        frame.extend(u32::try_from(piece.len()).unwrap().to_be_bytes());
        frame.extend(piece);
        frame
    });
    pieces.flatten().collect()
}
