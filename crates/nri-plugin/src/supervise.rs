//! Connects to the engine and comes back when it restarts.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use crate::arrival::Arrival;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::session::{self, End, Identity, Plugin};
use crate::signals::{Signals, Wake};
use crate::wire::connection::Connection;

/// The first pause between two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest one, for where the directory of the socket cannot be watched. An engine that has restarted creates
/// containers without hooks until we are back.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What both forms of the plugin need.
pub struct Surroundings<'a> {
    /// How the plugin calls itself.
    pub identity: &'a Identity,
    /// Signals that end the program.
    pub signals: &'a Signals,
    /// The program's log.
    pub log: &'a Log,
    /// The program's counters.
    pub metrics: &'a Metrics,
}

impl Surroundings<'_> {
    /// Serves the engine over a socket that it has handed over, until it closes that or a signal comes.
    pub fn serve(&self, stream: UnixStream, plugin: &mut dyn Plugin) -> Result<End> {
        let connection = Connection::new(stream).context("set up the connection")?;
        let end = session::run(connection, self.identity, plugin, self.signals);
        self.metrics.connected.set(0);
        Ok(end?)
    }

    /// Serves the engine that listens at `socket`, and whoever listens there afterwards, until a signal comes.
    pub fn serve_forever(&self, socket: &Path, plugin: &mut dyn Plugin) -> Result<()> {
        let mut absence = Absence::default();
        loop {
            let began = Instant::now();
            let end = UnixStream::connect(socket)
                .with_context(|| format!("connect to {}", socket.display()))
                .and_then(|stream| self.serve(stream, plugin));
            let reason = match end {
                Ok(End::Stopped) => return Ok(()),
                Ok(End::Closed) => "connection closed by the engine".to_owned(),
                Err(e) => format!("{e:#}"),
            };
            if began.elapsed() > LONGEST_PAUSE {
                absence = Absence::default();
            }
            // Once, and not at every attempt while the engine is away.
            if absence.reported.as_ref() != Some(&reason) {
                self.log
                    .warning("not connected, trying again", &[("reason", json!(reason))]);
                absence.reported = Some(reason);
            }
            if self.pause(&mut absence, socket)? == Wake::Stop {
                return Ok(());
            }
        }
    }

    /// Sleeps before the next attempt, and not longer than until something happens where the socket is made.
    fn pause(&self, absence: &mut Absence, socket: &Path) -> Result<Wake> {
        if absence.arrival.is_none() {
            absence.arrival = Arrival::watch(socket).ok();
        }
        let source = absence.arrival.as_ref().map(AsFd::as_fd);
        let deadline = Some(Instant::now() + absence.pause);
        let wake = self.signals.wait(source, deadline).context("poll")?;
        absence.pause = if wake == Wake::Readable {
            absence.arrival = None;
            FIRST_PAUSE
        } else {
            (absence.pause * 2).min(LONGEST_PAUSE)
        };
        Ok(wake)
    }
}

/// What is remembered between the attempts while there is no engine.
struct Absence {
    pause: Duration,
    reported: Option<String>,
    arrival: Option<Arrival>,
}

impl Default for Absence {
    fn default() -> Self {
        Absence {
            pause: FIRST_PAUSE,
            reported: None,
            arrival: None,
        }
    }
}
