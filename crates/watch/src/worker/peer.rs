//! The channel to the responder, and the marks that it has been asked for.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;

use crate::channel::Channel;
use crate::file_id::FileId;
use crate::message::Order;
use crate::say::say;

/// The responder as the worker sees it.
#[derive(Default)]
pub struct Peer {
    // Locked while an order is sent: a mark and its removal must arrive in the order of the counts.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    channel: Option<Arc<Channel>>,
    marks: HashMap<FileId, Mark>,
    /// Orders that were not answered, with the paths for a message.
    unanswered: HashMap<u64, PathBuf>,
    next: u64,
}

struct Mark {
    file: OwnedFd,
    path: PathBuf,
    count: usize,
}

impl Peer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A responder without marks has come.
    pub fn connect(&self, channel: Arc<Channel>) {
        let mut state = self.lock();
        state.channel = Some(channel);
        state.unanswered.clear();
        let marks: Vec<FileId> = state.marks.keys().copied().collect();
        for id in marks {
            state.order_mark(id);
        }
    }

    /// The responder is gone.
    pub fn disconnect(&self) {
        self.lock().channel = None;
    }

    /// The channel.
    pub fn channel(&self) -> Option<Arc<Channel>> {
        self.lock().channel.clone()
    }

    /// Answers an event.
    pub fn answer(&self, number: u64, allow: bool) {
        // Outside of the lock, so that an answer does not wait for marks.
        if let Some(channel) = self.channel() {
            send(&channel, Order::Answer { number, allow }, None);
        }
    }

    /// Has executions of a file held. Each call needs its [`Peer::unmark`].
    pub fn mark(&self, id: FileId, file: OwnedFd, path: &Path) {
        let mut state = self.lock();
        let path = path.to_owned();
        let mark = state.marks.entry(id).or_insert(Mark {
            file,
            path,
            count: 0,
        });
        mark.count += 1;
        if mark.count == 1 {
            state.order_mark(id);
        }
    }

    /// Takes one [`Peer::mark`] back.
    pub fn unmark(&self, id: FileId) {
        let mut state = self.lock();
        let Some(mark) = state.marks.get_mut(&id) else {
            return;
        };
        mark.count -= 1;
        if mark.count > 0 {
            return;
        }
        let mark = state.marks.remove(&id);
        if let (Some(channel), Some(mark)) = (&state.channel, mark) {
            send(channel, Order::Unmark, Some(mark.file.as_fd()));
        }
    }

    /// The responder's answer to an order to mark; the error names the file.
    pub fn marked(&self, token: u64, errno: i32) -> Result<(), String> {
        let path = self.lock().unanswered.remove(&token);
        match (errno, path) {
            (0, _) | (_, None) => Ok(()),
            (errno, Some(path)) => {
                let errno = Errno::from_raw(errno);
                Err(format!("fanotify_mark({}): {errno}", path.display()))
            }
        }
    }

    /// Whether all orders to mark have been answered.
    pub fn is_settled(&self) -> bool {
        self.lock().unanswered.is_empty()
    }
}

impl State {
    fn order_mark(&mut self, id: FileId) {
        let (Some(channel), Some(mark)) = (&self.channel, self.marks.get(&id)) else {
            return;
        };
        let token = self.next;
        self.next += 1;
        self.unanswered.insert(token, mark.path.clone());
        send(channel, Order::Mark { token }, Some(mark.file.as_fd()));
    }
}

/// Without a responder nothing is held, so there is nothing to be told.
fn send(channel: &Channel, order: Order, fd: Option<BorrowedFd<'_>>) {
    match channel.send_waiting(&order.encode(), fd) {
        Ok(()) | Err(Errno::EPIPE | Errno::ECONNRESET) => {}
        Err(errno) => say(format!("sendmsg to the responder: {errno}")),
    }
}
