//! What the supervisor knows of a child, and how long it waits for its answers.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::channel::Channel;

/// How long past the deadline of what it holds, and past a question, a responder may be late.
const LATE: Duration = Duration::from_millis(300);
/// How long a worker may be silent: it holds nobody, the responder sees to that.
const SILENT_WORKER: Duration = Duration::from_secs(5);

/// What a child is there for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers fanotify.
    Responder,
    /// Does everything else.
    Worker,
}

impl Role {
    /// As messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Responder => "responder",
            Role::Worker => "worker",
        }
    }
}

/// A child that has not been reaped.
pub struct Child {
    /// Its pid.
    pub pid: Pid,
    /// Our end of the channel to it.
    pub channel: Channel,
    /// When it was started.
    pub born: Instant,
    /// The pause before it was started.
    pub pause: Duration,
    /// When it was asked last, or might have been.
    pub last_ping: Instant,
    /// When it was asked and has not answered yet.
    pub asked: Option<Instant>,
    /// The earliest deadline of whatever it may hold: of what it held when it last answered, or of what came right after.
    pub due: Instant,
    /// Whether it has been killed, and its end is waited for.
    pub killed: bool,
}

impl Child {
    /// When it is killed unless it answers before.
    pub fn answers_until(&self, role: Role) -> Option<Instant> {
        let asked = self.asked?;
        Some(match role {
            Role::Worker => asked + SILENT_WORKER,
            Role::Responder => asked.max(self.due) + LATE,
        })
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        self.killed = true;
        self.asked = None;
    }
}
