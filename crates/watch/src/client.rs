//! The library's watcher: it starts the program `lxcri-watch` and speaks with it.
//!
//! A program that holds others must not have threads, locks or anything else that could keep it from answering, and a
//! library cannot promise that of the program that it is used in. So the processes that hold are those of lxcri-watch.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::order::Order;
use crate::process::Identity;

/// How a watcher is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program, found in PATH if it has no slash.
    pub program: PathBuf,
    /// Its options as on the command line: runtimes, roots, time, hooks. Those about events and orders are set here.
    pub arguments: Vec<OsString>,
    /// Whether each start is held until its [`Hold`] is released, at most for the time of `--timeout`.
    pub hold: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            program: "lxcri-watch".into(),
            arguments: Vec::new(),
            hold: false,
        }
    }
}

/// Why there is no watcher.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The program cannot be started.
    #[error("run {0}: {1}")]
    Run(PathBuf, std::io::Error),
    /// It has ended before it was ready; it has said why on stderr.
    #[error("{0} ended before it was ready")]
    Ended(PathBuf),
    /// It does not take orders any more.
    #[error("write to {0}: {1}")]
    Order(PathBuf, std::io::Error),
}

/// A running watcher. Dropping it ends it; whatever is held goes on.
#[derive(Debug)]
pub struct Watcher {
    program: PathBuf,
    child: Child,
    orders: Orders,
    events: Receiver<ContainerEvent>,
}

/// What happens to containers.
#[derive(Debug)]
pub enum ContainerEvent {
    /// One starts, or was found running.
    Added(Container),
    /// One has ended.
    Removed(Container),
}

/// A container.
#[derive(Debug)]
pub struct Container {
    /// Its id towards the runtime.
    pub id: String,
    /// Its first process.
    pub pid: i32,
    /// That process, if it had not ended when the event was read; never after the end.
    pub pidfd: Option<OwnedFd>,
    /// Its bundle; for LXC the directory of its configuration.
    pub bundle: PathBuf,
    /// The configuration as it stands in config.json, if it could be read.
    pub configuration: Option<Arc<RawValue>>,
    /// Name of the runtime.
    pub runtime: String,
    /// Whether the start was held; false: it was seen late.
    pub gated: bool,
    /// Whether it was there before the watcher.
    pub adopted: bool,
    /// Holds the start, with [`Options::hold`], until this is dropped or released.
    pub hold: Option<Hold>,
}

/// A start that waits.
#[derive(Debug)]
pub struct Hold {
    process: Identity,
    orders: Orders,
    allow: bool,
}

impl Hold {
    /// Lets the program of the container be executed.
    pub fn release(self) {}

    /// Makes its execution fail with EPERM.
    pub fn deny(mut self) {
        self.allow = false;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Without a watcher nothing is held.
        let _ = self.orders.send(&Order::Release {
            process: self.process,
            allow: self.allow,
        });
    }
}

/// Where orders are written.
#[derive(Clone, Debug)]
struct Orders(Arc<Mutex<Option<ChildStdin>>>);

impl Orders {
    fn send(&self, order: &Order) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(stdin) => stdin.write_all(&line),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Watcher {
    /// Starts a watcher and waits until every start is seen.
    pub fn start(options: &Options) -> Result<Watcher, WatchError> {
        let program = options.program.clone();
        let mut command = Command::new(&program);
        command.args(&options.arguments);
        command.args(["--orders", "--format", "json"]);
        command.args(["--events", "added,removed,config"]);
        if options.hold {
            command.arg("--hold");
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| WatchError::Run(program.clone(), e))?;
        let orders = Orders(Arc::new(Mutex::new(child.stdin.take())));
        let (sender, events) = channel();
        let (ready, is_ready) = channel();
        if let Some(stdout) = child.stdout.take() {
            let reader = Reader {
                orders: orders.clone(),
                hold: options.hold,
                sender,
                configurations: HashMap::new(),
            };
            thread::spawn(move || reader.read(stdout, &ready));
        }
        let watcher = Watcher {
            program,
            child,
            orders,
            events,
        };
        match is_ready.recv() {
            Ok(()) => Ok(watcher),
            Err(_) => Err(WatchError::Ended(watcher.program.clone())),
        }
    }

    /// The next event; `None` when there was none within `patience`, or there will be no more.
    pub fn next(&self, patience: Duration) -> Option<ContainerEvent> {
        self.events.recv_timeout(patience).ok()
    }

    /// The channel that the events come through; it is disconnected when the program has ended.
    pub fn events(&self) -> &Receiver<ContainerEvent> {
        &self.events
    }

    /// Watches a container that was found in some other way: an `Added` and, at its end, a `Removed` follow.
    pub fn watch(&self, pid: i32, id: &str, bundle: &Path) -> Result<(), WatchError> {
        let order = Order::Watch {
            pid,
            id: id.to_owned(),
            bundle: bundle.to_owned(),
            runtime: "other".to_owned(),
        };
        self.orders
            .send(&order)
            .map_err(|e| WatchError::Order(self.program.clone(), e))
    }

    /// Ends the watcher; whatever is held goes on.
    pub fn close(self) {}
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.orders.close();
        // The end of its stdin would do, unless a child of ours that is held in execve still has the other end.
        let _ = kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        );
        let _ = self.child.wait();
    }
}

/// A line of the program's.
#[derive(Deserialize)]
struct Line<'a> {
    event: &'a str,
    #[serde(default)]
    id: String,
    #[serde(default)]
    pid: i32,
    #[serde(default)]
    start: u64,
    #[serde(default)]
    bundle: PathBuf,
    #[serde(default)]
    runtime: String,
    #[serde(default)]
    gated: bool,
    #[serde(default)]
    adopted: bool,
    #[serde(borrow)]
    config: Option<&'a RawValue>,
}

struct Reader {
    orders: Orders,
    hold: bool,
    sender: Sender<ContainerEvent>,
    configurations: HashMap<Identity, Arc<RawValue>>,
}

impl Reader {
    fn read(mut self, stdout: ChildStdout, ready: &Sender<()>) {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            let Ok(line) = serde_json::from_str::<Line<'_>>(&line) else {
                continue;
            };
            let process = Identity {
                pid: line.pid,
                start: line.start,
            };
            let event = match line.event {
                "ready" => {
                    let _ = ready.send(());
                    continue;
                }
                "config" => {
                    let config = line.config.map(|config| Arc::from(config.to_owned()));
                    self.configurations
                        .extend(config.map(|config| (process, config)));
                    continue;
                }
                "added" => {
                    let held = self.hold && line.gated;
                    let hold = held.then(|| Hold {
                        process,
                        orders: self.orders.clone(),
                        allow: true,
                    });
                    let configuration = self.configurations.get(&process).cloned();
                    let pidfd = process.open().ok();
                    ContainerEvent::Added(line.container(pidfd, configuration, hold))
                }
                "removed" => {
                    let configuration = self.configurations.remove(&process);
                    ContainerEvent::Removed(line.container(None, configuration, None))
                }
                _ => continue,
            };
            // Nobody listens any more.
            if self.sender.send(event).is_err() {
                return;
            }
        }
    }
}

impl Line<'_> {
    fn container(
        self,
        pidfd: Option<OwnedFd>,
        configuration: Option<Arc<RawValue>>,
        hold: Option<Hold>,
    ) -> Container {
        Container {
            id: self.id,
            pid: self.pid,
            pidfd,
            bundle: self.bundle,
            configuration,
            runtime: self.runtime,
            gated: self.gated,
            adopted: self.adopted,
            hold,
        }
    }
}
