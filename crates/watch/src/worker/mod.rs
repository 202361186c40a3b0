//! The process that finds out what the held executions are, reads the files of others and runs hooks.
//!
//! It has no descriptor of the fanotify group: whatever becomes of it and of its hooks, the responder lets go.

mod expect;
mod gate;
mod hooks;
mod memory;
mod orders;
mod output;
mod peer;
mod places;
mod pool;
mod reconcile;
mod roster;
mod runtimes;
mod schedule;
mod watched;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::adapter::Adapter;
use crate::channel::Channel;
use crate::event::Event;
use crate::file_id::FileId;
use crate::journal::Journal;
#[cfg(feature = "kubernetes")]
use crate::kubernetes::Publisher;
use crate::message::{Control, Notice, Report};
use crate::process::Identity;
use crate::say::say;
use crate::settings::{Root, Settings};

use expect::Expectations;
use hooks::Hooks;
use memory::{Entry, Memory};
use orders::{Holds, Orders};
use output::Output;
use peer::Peer;
use pool::Pool;
use reconcile::Directories;
use roster::Roster;
use runtimes::Runtimes;
use schedule::Schedule;
use watched::{FIRST_PROCESS, Waiting};

/// Tokens of what is polled; those of processes follow.
const SUPERVISOR: u64 = 0;
const RESPONDER: u64 = 1;
const DIRECTORIES: u64 = 2;
const WAKE: u64 = 3;
const ORDERS: u64 = 4;

/// Everything that the threads share.
struct Worker {
    settings: Arc<Settings>,
    epoll: Epoll,
    wake: EventFd,
    pool: Pool,
    peer: Peer,
    runtimes: Runtimes,
    expectations: Expectations,
    roster: Roster,
    holds: Holds,
    #[cfg(feature = "kubernetes")]
    publisher: Option<Publisher>,
    waiting: Mutex<Waiting>,
    directories: Directories,
    schedule: Schedule<Later>,
    /// When the first of us started, in clock ticks since boot.
    since: u64,
    hooks: Hooks,
    output: Output,
    memory: Mutex<Memory>,
}

/// What is done at a later moment, on a thread of the pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Later {
    /// Look whether a container runs unnoticed: adapter, root, id.
    Look(&'static str, PathBuf, String),
    /// Give up the expectation with this number.
    GiveUp(u64),
    /// Look for containers everywhere.
    Scan,
    /// See whether the runtimes' programs are still the same files.
    Refresh,
}

impl Later {
    fn look(adapter: &'static Adapter, root: &Path, id: &str) -> Later {
        Later::Look(adapter.name, root.to_owned(), id.to_owned())
    }
}

/// Runs until the supervisor is gone.
pub fn run(
    supervisor: Channel,
    settings: &Arc<Settings>,
    journal: &Arc<Journal>,
) -> Result<(), Errno> {
    raise_descriptor_limit();
    let hooks = match Hooks::new(settings) {
        Ok(hooks) => hooks,
        Err(error) => return supervisor.send(&Control::Failed(error.to_string()).encode(), None),
    };
    let parent = nix::unistd::getppid().as_raw();
    let worker = Arc::new(Worker {
        epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
        wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
        pool: Pool::default(),
        peer: Peer::default(),
        runtimes: Runtimes::new(&settings.runtimes),
        expectations: Expectations::default(),
        roster: Roster::default(),
        holds: Holds::default(),
        #[cfg(feature = "kubernetes")]
        publisher: settings.kubernetes.clone().map(Publisher::new),
        waiting: Mutex::default(),
        directories: Directories::new()?,
        schedule: Schedule::new(),
        since: Identity::of(parent).map_or(u64::MAX, |process| process.start),
        hooks,
        output: Output::new(settings.events, settings.format),
        memory: Mutex::new(Memory::new(journal)),
        settings: Arc::clone(settings),
    });
    worker.poll(supervisor.as_fd(), SUPERVISOR)?;
    worker.poll(worker.directories.inotify().as_fd(), DIRECTORIES)?;
    worker.poll(worker.wake.as_fd(), WAKE)?;
    if settings.orders {
        worker.poll(std::io::stdin().as_fd(), ORDERS)?;
    }
    let result = Loop {
        worker: Arc::clone(&worker),
        supervisor,
        orders: Orders::default(),
        ready: false,
    }
    .serve();
    worker.hooks.end();
    worker.output.end();
    result
}

/// Processes, hooks and files in great number need descriptors.
fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // As it was, fewer containers are watched at a time.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// The thread that hears everybody and lets others work.
struct Loop {
    worker: Arc<Worker>,
    supervisor: Channel,
    orders: Orders,
    /// Whether the marks have been set once.
    ready: bool,
}

impl Loop {
    fn serve(mut self) -> Result<(), Errno> {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let patience = self
                .worker
                .schedule
                .next()
                .map_or(EpollTimeout::NONE, |left| {
                    let milliseconds = left.as_nanos().div_ceil(1_000_000);
                    EpollTimeout::try_from(milliseconds).unwrap_or(EpollTimeout::MAX)
                });
            let count = match self.worker.epoll.wait(&mut events, patience) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(errno) => return Err(errno),
            };
            for event in &events[..count] {
                match event.data() {
                    SUPERVISOR if !self.hear_supervisor()? => return Ok(()),
                    SUPERVISOR => {}
                    RESPONDER => {
                        if let Err(reason) = self.hear_responder() {
                            let failed = Control::Failed(reason.clone());
                            let _ = self.supervisor.send(&failed.encode(), None);
                            if !self.ready {
                                return Err(Errno::EINVAL);
                            }
                        }
                    }
                    DIRECTORIES => self.worker.directories_changed(),
                    WAKE => _ = self.worker.wake.read(),
                    ORDERS => self.take_orders(),
                    token @ FIRST_PROCESS.. => self.worker.process_ended(token),
                    _ => {}
                }
            }
            self.do_what_is_due();
        }
    }

    /// False when the supervisor is gone.
    fn hear_supervisor(&mut self) -> Result<bool, Errno> {
        loop {
            let message = match self.supervisor.receive() {
                Ok(Some(message)) => message,
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(true),
                Ok(None) | Err(_) => return Ok(false),
            };
            match (Control::decode(&message.bytes), message.fd) {
                (Some(Control::Ping), _) => {
                    let pong = Control::Pong(Report::default());
                    let _ = self.supervisor.send(&pong.encode(), None);
                }
                (Some(Control::Peer), Some(fd)) => self.connect(fd)?,
                (Some(Control::Gap), _) => self.worker.later(Later::Scan, schedule::LOOK_AGAIN),
                _ => {}
            }
        }
    }

    fn connect(&mut self, fd: OwnedFd) -> Result<(), Errno> {
        self.disconnect();
        let channel = Arc::new(Channel::of(fd));
        channel.limit_waiting(Duration::from_secs(1))?;
        self.worker.poll(channel.as_fd(), RESPONDER)?;
        self.worker.peer.connect(channel);
        self.worker.refresh_programs();
        self.ready_if_settled();
        Ok(())
    }

    fn disconnect(&self) {
        if let Some(channel) = self.worker.peer.channel() {
            let _ = self.worker.epoll.delete(channel.as_fd());
        }
        self.worker.peer.disconnect();
    }

    /// The error is that of a mark.
    fn hear_responder(&mut self) -> Result<(), String> {
        let mut result = Ok(());
        while let Some(channel) = self.worker.peer.channel() {
            let message = match channel.receive() {
                Ok(Some(message)) => message,
                Err(Errno::EAGAIN | Errno::EINTR) => break,
                Ok(None) | Err(_) => {
                    self.disconnect();
                    break;
                }
            };
            match Notice::decode(&message.bytes) {
                Some(Notice::Held { number, tid, file }) => self.worker.held(number, tid, file),
                Some(Notice::Marked { token, errno }) => {
                    result = result.and(self.worker.peer.marked(token, errno));
                    if result.is_ok() {
                        self.ready_if_settled();
                    }
                }
                None => {}
            }
        }
        result
    }

    /// Says once that the marks are set, and takes over what the previous worker knew.
    fn ready_if_settled(&mut self) {
        if self.ready || !self.worker.peer.is_settled() {
            return;
        }
        self.ready = true;
        let _ = self.supervisor.send(&Control::Ready.encode(), None);
        self.worker.take_over();
        let worker = Arc::clone(&self.worker);
        self.worker.pool.run(move || worker.scan());
    }

    fn take_orders(&mut self) {
        let stdin = std::io::stdin();
        let Some(orders) = self.orders.read(stdin.as_fd()) else {
            // The supervisor ends us.
            let _ = self.worker.epoll.delete(stdin.as_fd());
            return;
        };
        for order in orders {
            let worker = Arc::clone(&self.worker);
            self.worker.pool.run(move || worker.obey(order));
        }
    }

    fn do_what_is_due(&self) {
        for thing in self.worker.schedule.due() {
            let worker = Arc::clone(&self.worker);
            self.worker.pool.run(move || worker.act(thing));
        }
    }
}

impl Worker {
    fn poll(&self, fd: BorrowedFd<'_>, token: u64) -> Result<(), Errno> {
        self.epoll
            .add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token))
    }

    /// Has something done after a while, once.
    fn later(&self, thing: Later, after: Duration) {
        self.schedule.add(thing, after);
        // The loop may sleep for longer than that.
        let _ = self.wake.write(1);
    }

    fn held(self: &Arc<Self>, number: u64, tid: i32, file: FileId) {
        let worker = Arc::clone(self);
        self.pool.run(move || {
            let allow = worker.judge(tid, file);
            worker.peer.answer(number, allow);
        });
    }

    fn act(self: &Arc<Self>, thing: Later) {
        match thing {
            Later::Look(adapter, root, id) => {
                if let Some(adapter) = Adapter::named(adapter) {
                    self.look(adapter, &root, &id);
                }
            }
            Later::GiveUp(number) => _ = self.expectations.give_up(number, &self.peer),
            Later::Scan => self.scan(),
            Later::Refresh => self.refresh_programs(),
        }
    }

    /// Goes on with what the previous worker knew.
    fn take_over(self: &Arc<Self>) {
        let (was_ready, roots, containers) = {
            let memory = lock(&self.memory);
            (memory.is_ready(), memory.roots(), memory.containers())
        };
        if !was_ready {
            self.record(Entry::Ready);
            self.output.send(&Event::Ready {
                runtimes: self.runtimes.present(),
            });
        }
        for container in containers {
            self.watch_again(container);
        }
        for (name, path) in roots {
            if let Some(adapter) = Adapter::named(&name) {
                self.watch_root(Root { adapter, path });
            }
        }
    }

    fn record(&self, entry: Entry) {
        if let Err(errno) = lock(&self.memory).add(entry) {
            say(format!("write the journal: {errno}"));
        }
    }
}

/// Locks; a thread that panicked ended the process.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
