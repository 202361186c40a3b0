//! One life of a connection: register, be configured and synchronised, serve until the engine goes.
//!
//! The plugin has one thread for all of it. The engine may ask before it answers: Configure can come ahead of the reply to
//! RegisterPlugin.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use prost::Message as _;

use crate::signals::{Signals, Wake, is_readable_within};
use crate::wire::connection::{Connection, ConnectionError, OWN_MESSAGE_MAX};
use crate::wire::messages::{
    ConfigureRequest, ConfigureResponse, CreateContainerRequest, CreateContainerResponse,
    EVENT_CREATE_CONTAINER, PLUGIN_SERVICE, RUNTIME_SERVICE, RegisterPluginRequest,
    SynchronizeRequest, SynchronizeResponse,
};
use crate::wire::mux::Channel;
use crate::wire::ttrpc::{
    INVALID_ARGUMENT, Message, REQUEST, RESOURCE_EXHAUSTED, RESPONSE, Request, Response, Status,
    UNIMPLEMENTED,
};

/// How long the engine may take from the connection to Configure and its answer to the registration. Other plugins that start
/// can hold it up for five seconds each.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// For how long nothing must have come before the plugin goes when it is told to: a request may be on its way in pieces.
const QUIET: Duration = Duration::from_millis(20);
/// How long an engine that asks again and again can put that off.
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// The request timeout of engines that do not tell theirs; NRI's own default.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// The stream of our only request.
const REGISTRATION: u32 = 1;

/// What the engine calls, without the protocol.
pub trait Plugin {
    /// The engine delivers the configuration.
    fn configure(&mut self, request: ConfigureRequest) -> Result<(), Status>;

    /// The engine has registered and configured the plugin.
    fn registered(&mut self);

    /// The engine has told what exists already, and asks about every container from now on. containerd 1.7 leaves this out for
    /// pre-installed plugins.
    fn synchronized(&mut self);

    /// A container is about to be created. `deadline` is half of the time after which the engine goes on without us.
    fn create_container(
        &mut self,
        request: CreateContainerRequest,
        deadline: Instant,
    ) -> Result<CreateContainerResponse, Status>;
}

/// How the plugin calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Without the index.
    pub name: String,
    /// Two digits.
    pub index: String,
}

/// Why a session ended as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The engine closed the connection.
    Closed,
    /// A signal asked for the end.
    Stopped,
}

/// Why a session ended otherwise.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum SessionError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("poll: {0}")]
    Poll(#[from] nix::Error),
    #[error("engine refuses the plugin: {0}")]
    Refused(#[source] Status),
    #[error("engine did not finish the registration within {} s", START_PATIENCE.as_secs())]
    Silent,
}

/// Registers over a new connection and serves the engine until it ends or a signal comes.
pub fn run(
    connection: Connection,
    identity: &Identity,
    plugin: &mut dyn Plugin,
    signals: &Signals,
) -> Result<End, SessionError> {
    run_within(START_PATIENCE, connection, identity, plugin, signals)
}

fn run_within(
    patience: Duration,
    connection: Connection,
    identity: &Identity,
    plugin: &mut dyn Plugin,
    signals: &Signals,
) -> Result<End, SessionError> {
    let mut session = Session {
        connection,
        plugin,
        request_timeout: REQUEST_TIMEOUT,
        accepted: false,
        configured: false,
        ready: false,
    };
    session.register(identity)?;
    let start_by = Instant::now() + patience;
    loop {
        let deadline = (!session.ready).then_some(start_by);
        match signals.wait(Some(session.connection.as_fd()), deadline)? {
            Wake::Stop => return session.finish(),
            Wake::Deadline => return Err(SessionError::Silent),
            Wake::Readable => {}
        }
        if !session.read()? {
            return Ok(End::Closed);
        }
    }
}

struct Session<'a> {
    connection: Connection,
    plugin: &'a mut dyn Plugin,
    request_timeout: Duration,
    accepted: bool,
    configured: bool,
    ready: bool,
}

impl Session<'_> {
    fn register(&mut self, identity: &Identity) -> Result<(), SessionError> {
        let registration = RegisterPluginRequest {
            plugin_name: identity.name.clone(),
            plugin_idx: identity.index.clone(),
        };
        let request = Request {
            service: RUNTIME_SERVICE.to_owned(),
            method: "RegisterPlugin".to_owned(),
            payload: registration.encode_to_vec(),
            timeout_nano: 0,
        };
        let message = Message::request(REGISTRATION, &request);
        Ok(self.connection.send(Channel::Runtime, &message)?)
    }

    /// Reads once and handles what has come. False when the engine has closed the connection.
    fn read(&mut self) -> Result<bool, SessionError> {
        let is_open = self.connection.read()?;
        let arrival = Instant::now();
        while let Some((channel, message)) = self.connection.received() {
            self.handle(channel, message, arrival)?;
        }
        Ok(is_open)
    }

    /// Answers what the engine has asked already: it would go on without hooks.
    fn finish(mut self) -> Result<End, SessionError> {
        let end = Instant::now() + LAST_PATIENCE;
        while Instant::now() < end
            && is_readable_within(QUIET, self.connection.as_fd())?
            && self.read()?
        {}
        Ok(End::Stopped)
    }

    /// Says once that both parts of the registration are done, in whichever order they came.
    fn note_progress(&mut self) {
        if self.accepted && self.configured && !self.ready {
            self.ready = true;
            self.plugin.registered();
        }
    }

    fn handle(
        &mut self,
        channel: Channel,
        message: Message,
        arrival: Instant,
    ) -> Result<(), SessionError> {
        match (channel, message.kind) {
            (Channel::Plugin, REQUEST) => self.serve(&message, arrival),
            (Channel::Runtime, RESPONSE) if message.stream == REGISTRATION => {
                let response = message.as_response().map_err(ConnectionError::from)?;
                response.into_result().map_err(SessionError::Refused)?;
                self.accepted = true;
                self.note_progress();
                Ok(())
            }
            // Types of streaming calls and answers to nothing: no engine sends them, and ttrpc wants them ignored.
            _ => Ok(()),
        }
    }

    fn serve(&mut self, message: &Message, arrival: Instant) -> Result<(), SessionError> {
        let request = message.as_request().map_err(ConnectionError::from)?;
        let mut response = Response::from_result(self.call(&request, arrival));
        if response.encoded_len() > OWN_MESSAGE_MAX {
            // The engine would close the connection and create the container without any hook.
            let text = format!(
                "adjustment of {} bytes: the engine takes no more than {OWN_MESSAGE_MAX}",
                response.encoded_len()
            );
            response = Response::from_result(Err(Status::new(RESOURCE_EXHAUSTED, text)));
        }
        let message = Message::response(message.stream, &response);
        Ok(self.connection.send(Channel::Plugin, &message)?)
    }

    fn call(&mut self, request: &Request, arrival: Instant) -> Result<Vec<u8>, Status> {
        if request.service != PLUGIN_SERVICE {
            let text = format!("service {} is not served by a plugin", request.service);
            return Err(Status::new(UNIMPLEMENTED, text));
        }
        match request.method.as_str() {
            "Configure" => self.configure(decode(request)?),
            "Synchronize" => self.synchronize(decode(request)?),
            "CreateContainer" => {
                let deadline = arrival + self.patience(request) / 2;
                let response = self.plugin.create_container(decode(request)?, deadline)?;
                Ok(response.encode_to_vec())
            }
            // The engine closes the connection next.
            "Shutdown" => Ok(Vec::new()),
            method => {
                let text = format!("method {method} is not implemented");
                Err(Status::new(UNIMPLEMENTED, text))
            }
        }
    }

    /// How long the engine waits for the answer to a request.
    fn patience(&self, request: &Request) -> Duration {
        let own = u64::try_from(request.timeout_nano)
            .ok()
            .filter(|ns| *ns > 0);
        own.map_or(self.request_timeout, |ns| {
            self.request_timeout.min(Duration::from_nanos(ns))
        })
    }

    fn configure(&mut self, request: ConfigureRequest) -> Result<Vec<u8>, Status> {
        let told = u64::try_from(request.request_timeout)
            .ok()
            .filter(|ms| *ms > 0);
        self.request_timeout = told.map_or(REQUEST_TIMEOUT, Duration::from_millis);
        self.plugin.configure(request)?;
        self.configured = true;
        self.note_progress();
        let response = ConfigureResponse {
            events: EVENT_CREATE_CONTAINER,
        };
        Ok(response.encode_to_vec())
    }

    fn synchronize(&mut self, request: SynchronizeRequest) -> Result<Vec<u8>, Status> {
        if !request.more {
            self.plugin.synchronized();
        }
        let response = SynchronizeResponse { more: request.more };
        Ok(response.encode_to_vec())
    }
}

fn decode<M: prost::Message + Default>(request: &Request) -> Result<M, Status> {
    M::decode(&*request.payload)
        .map_err(|e| Status::new(INVALID_ARGUMENT, format!("decode {}: {e}", request.method)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    struct Nothing;

    impl Plugin for Nothing {
        fn configure(&mut self, _: ConfigureRequest) -> Result<(), Status> {
            Ok(())
        }

        fn registered(&mut self) {}

        fn synchronized(&mut self) {}

        fn create_container(
            &mut self,
            _: CreateContainerRequest,
            _: Instant,
        ) -> Result<CreateContainerResponse, Status> {
            Ok(CreateContainerResponse::default())
        }
    }

    /// An engine that hangs must not keep the plugin from the one that follows it.
    #[test]
    fn an_engine_that_says_nothing_is_left() {
        let (ours, engine) = UnixStream::pair().unwrap();
        let connection = Connection::new(ours).unwrap();
        let identity = Identity {
            name: "n".into(),
            index: "10".into(),
        };
        let signals = Signals::block().unwrap();
        let patience = Duration::from_millis(50);
        let end = run_within(patience, connection, &identity, &mut Nothing, &signals);
        assert!(matches!(end, Err(SessionError::Silent)), "{end:?}");
        drop(engine);
    }
}
