//! A container's life from the moment it is taken up to the end of its last poststop hook.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use serde_json::value::RawValue;

use crate::bundle::{Config, ConfigError};
use crate::event::Event;
use crate::process::Identity;
use crate::say::say;
use crate::settings::OnFailure;
use crate::worker::memory::Entry;
use crate::worker::roster::{Claim, Container};
use crate::worker::{Later, Worker, lock};

use super::schedule::LOOK_AGAIN;

/// A container that was noticed.
pub struct Found {
    /// Its runtime's name.
    pub runtime: String,
    /// Its first process.
    pub process: Identity,
    /// Its id.
    pub id: String,
    /// Its bundle.
    pub bundle: PathBuf,
    /// Its configuration, or why there is none.
    pub config: Result<Config, ConfigError>,
    /// In which moment.
    pub how: How,
}

/// When a container was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Before its program was executed, which waits for us.
    Gated,
    /// After that.
    Late,
}

/// What a descriptor stands for whose end is waited for.
pub enum Waited {
    /// A container's first process.
    Container(Box<Container>),
    /// A process that makes the container of an expectation.
    Maker(u64),
}

/// The processes whose ends are waited for, by token.
#[derive(Default)]
pub struct Waiting {
    next: u64,
    all: HashMap<u64, (OwnedFd, Waited)>,
}

/// Tokens below are not those of processes.
pub const FIRST_PROCESS: u64 = 16;

impl Worker {
    /// Takes a container up, unless that has been done: tells of it, runs its hooks, waits for its end. The result says
    /// whether its program may be executed.
    pub fn take_up(self: &Arc<Self>, found: Found) -> bool {
        let deadline = self.deadline();
        let process = found.process;
        if let Claim::Settled(allow) = self.roster.claim(process, deadline) {
            return allow;
        }
        let pidfd = match process.open() {
            Ok(pidfd) => pidfd,
            Err(errno) => {
                // It may have been watched to its end while somebody looked for containers that nobody has noticed.
                if errno != Errno::ESRCH || found.how == How::Gated {
                    say(format!("{}: process {}: {errno}", found.id, process.pid));
                }
                self.roster.forget(process);
                return true;
            }
        };
        // What was there before us has had its prestart hooks, or never was to have any.
        let adopted = found.how == How::Late && process.start < self.since;
        let readable = found.config.is_ok();
        let (container, text) = describe(&found);
        #[cfg(feature = "kubernetes")]
        if let Some(publisher) = self.publisher.as_ref().filter(|_| !adopted) {
            let failed = found.config.as_ref().err().map(ToString::to_string);
            publisher.publish(container.about(), text.clone(), failed);
        }
        if let Err(error) = found.config {
            say(format!("{}: {error}", container.id));
        }
        self.record(Entry::Added(container.clone()));
        if self.settings.hold && container.gated {
            self.holds.announce(process);
        }
        self.tell(&container, &text, adopted);
        let allow = adopted
            || self
                .hooks
                .prestart(&self.settings, &container, readable, deadline)
                && self.released(&container, deadline);
        self.roster.settle(process, allow);
        self.watch_container(pidfd, container);
        allow
    }

    fn tell(&self, container: &Container, text: &[u8], adopted: bool) {
        let wanted = self.settings.events.config;
        // First, so that whoever hears of the container knows it.
        if let Some(config) = raw(text).filter(|_| wanted) {
            self.output.send(&Event::Config {
                container: container.about(),
                config,
            });
        }
        self.output.send(&Event::Added {
            container: container.about(),
            gated: container.gated,
            adopted,
        });
    }

    /// Waits for the order that lets a held start go. The result says whether it may.
    fn released(&self, container: &Container, deadline: Instant) -> bool {
        if !self.settings.hold || !container.gated {
            return true;
        }
        match self.holds.wait(container.process, deadline) {
            Some(allow) => allow,
            None => {
                say(format!("{}: no order within the time", container.id));
                self.settings.on_failure == OnFailure::Allow
            }
        }
    }

    /// Watches a container that the previous worker has taken up, or finishes what that had to do at its end.
    pub fn watch_again(self: &Arc<Self>, container: Container) {
        self.roster.settle(container.process, true);
        match container.process.open() {
            Ok(pidfd) => self.watch_container(pidfd, container),
            Err(_) => {
                let worker = Arc::clone(self);
                self.pool.run(move || worker.end(&container));
            }
        }
    }

    /// Waits for a container's end.
    pub fn watch_container(self: &Arc<Self>, pidfd: OwnedFd, container: Container) {
        self.wait_for(pidfd, Waited::Container(Box::new(container)));
    }

    /// Waits for the end of a process that makes a container.
    pub fn watch_maker(self: &Arc<Self>, pidfd: OwnedFd, expectation: u64) {
        self.wait_for(pidfd, Waited::Maker(expectation));
    }

    fn wait_for(self: &Arc<Self>, pidfd: OwnedFd, what: Waited) {
        let mut waiting = lock(&self.waiting);
        let token = FIRST_PROCESS + waiting.next;
        waiting.next += 1;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, token);
        let added = self.epoll.add(&pidfd, event);
        waiting.all.insert(token, (pidfd, what));
        drop(waiting);
        if let Err(errno) = added {
            // As if it had ended: nobody would hear of its end later.
            say(format!("epoll_ctl(EPOLL_CTL_ADD): {errno}"));
            self.process_ended(token);
        }
    }

    /// A process that was waited for has ended.
    pub fn process_ended(self: &Arc<Self>, token: u64) {
        let Some((_, what)) = lock(&self.waiting).all.remove(&token) else {
            return;
        };
        match what {
            Waited::Container(container) => {
                let worker = Arc::clone(self);
                self.pool.run(move || worker.end(&container));
            }
            // A daemon may be about to execute the program.
            Waited::Maker(number) => self.later(Later::GiveUp(number), LOOK_AGAIN),
        }
    }

    /// A container is gone.
    pub fn end(&self, container: &Container) {
        self.output.send(&Event::Removed {
            container: container.about(),
            gated: container.gated,
        });
        self.hooks
            .poststop(&self.settings, container, self.deadline());
        // After the hooks: if we are killed meanwhile, whoever comes next runs them.
        self.record(Entry::Removed(container.process));
        self.roster.forget(container.process);
    }
}

fn describe(found: &Found) -> (Container, Vec<u8>) {
    let config = found.config.as_ref().ok().cloned().unwrap_or_default();
    // LXC's configuration is no config.json, and has no such mounts.
    let conditions = hooks_d::Container::from_config(&config.text).unwrap_or_default();
    let container = Container {
        process: found.process,
        id: found.id.clone(),
        runtime: found.runtime.clone(),
        bundle: found.bundle.clone(),
        oci_version: config.oci_version,
        annotations: config.annotations,
        args: Some(config.args).filter(|args| !args.is_empty()),
        has_bind_mounts: conditions.has_bind_mounts,
        gated: found.how == How::Gated,
    };
    (container, config.text)
}

fn raw(text: &[u8]) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(text).ok()?;
    serde_json::from_str(text).ok()
}
