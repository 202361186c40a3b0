//! Takes orders from stdin and carries them out.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use nix::errno::Errno;

use crate::bundle::Config;
use crate::order::Order;
use crate::process::Identity;
use crate::say::say;
use crate::view::View;
use crate::worker::watched::{Found, How};
use crate::worker::{Worker, lock};

/// Longest order in bytes.
const LONGEST: usize = 64 << 10;

/// What has been read of an order that is not complete.
#[derive(Default)]
pub struct Orders(Vec<u8>);

impl Orders {
    /// Reads what is there; the descriptor must be readable. `None` at the end.
    pub fn read(&mut self, stdin: BorrowedFd<'_>) -> Option<Vec<Order>> {
        let mut piece = [0; 4096];
        match nix::unistd::read(stdin, &mut piece) {
            Ok(0) => return None,
            Ok(count) => self.0.extend_from_slice(&piece[..count]),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => return None,
        }
        let whole = self
            .0
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.0.drain(..whole).collect();
        if self.0.len() > LONGEST {
            say(format!("order of more than {LONGEST} bytes: ignored"));
            self.0.clear();
        }
        let orders = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        Some(orders.filter_map(parse).collect())
    }
}

fn parse(line: &[u8]) -> Option<Order> {
    serde_json::from_slice(line)
        .inspect_err(|e| say(format!("order {:?}: {e}", String::from_utf8_lossy(line))))
        .ok()
}

/// The starts that wait for an order, with the orders.
#[derive(Default)]
pub struct Holds {
    waiting: Mutex<HashMap<Identity, Option<bool>>>,
    ordered: Condvar,
}

impl Holds {
    /// Announces a start that will wait.
    pub fn announce(&self, process: Identity) {
        lock(&self.waiting).insert(process, None);
    }

    /// Waits for the order about a start; `None`: there was none.
    pub fn wait(&self, process: Identity, deadline: Instant) -> Option<bool> {
        let waiting = lock(&self.waiting);
        let left = deadline.saturating_duration_since(Instant::now());
        let undecided = |all: &mut HashMap<_, Option<bool>>| all.get(&process) == Some(&None);
        let wait = self.ordered.wait_timeout_while(waiting, left, undecided);
        let (mut waiting, _) = wait.unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&process).flatten()
    }

    fn order(&self, process: Identity, allow: bool) {
        // Nobody waits any more if its time was over.
        if let Some(place) = lock(&self.waiting).get_mut(&process) {
            *place = Some(allow);
        }
        self.ordered.notify_all();
    }
}

impl Worker {
    /// Carries an order out.
    pub fn obey(self: &Arc<Self>, order: Order) {
        match order {
            Order::Release { process, allow } => self.holds.order(process, allow),
            Order::Watch {
                pid,
                id,
                bundle,
                runtime,
            } => {
                let (Some(process), Ok(view)) = (Identity::of(pid), View::own()) else {
                    return say(format!("{id}: no process {pid}"));
                };
                self.take_up(Found {
                    runtime,
                    process,
                    id,
                    config: Config::read(&view, &bundle.join("config.json")),
                    bundle,
                    how: How::Late,
                });
            }
        }
    }
}
