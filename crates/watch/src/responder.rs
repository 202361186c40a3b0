//! The process that answers fanotify and does nothing else.
//!
//! It executes nothing, reads no foreign file, writes to nobody who could make it wait, and has a deadline for each
//! execution that it holds. Whatever goes wrong, it lets go: without a worker, at the deadline, when descriptors run out.
//! When it ends, the kernel lets go.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::channel::{Channel, Message};
use crate::group::{Event, Group};
use crate::message::{Control, Notice, Order, Report};
use crate::sys;

/// Descriptors that are not given to events: our own, and those that come with messages.
const RESERVED: u64 = 24;
/// Most executions held at a time, whatever the limit of descriptors.
const MOST_HELD: usize = 16 << 10;
/// Most events of one read.
const PIECE: usize = 64;

/// Runs until the supervisor is gone.
///
/// `patience` is how long an execution is held at most.
pub fn run(supervisor: Channel, patience: Duration) -> Result<(), Errno> {
    let capacity = raise_descriptor_limit();
    let group = match Group::new() {
        Ok(group) => group,
        Err(errno) => {
            let reason = format!("fanotify_init(FAN_CLASS_CONTENT): {errno}");
            return supervisor.send(&Control::Failed(reason).encode(), None);
        }
    };
    supervisor.send(&Control::Ready.encode(), None)?;
    Responder::new(group, supervisor, patience, capacity).serve()
}

/// How many executions may be held at a time.
fn raise_descriptor_limit() -> usize {
    let (mut soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((256, 256));
    if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        soft = hard;
    }
    usize::try_from(soft.saturating_sub(RESERVED))
        .unwrap_or(MOST_HELD)
        .clamp(1, MOST_HELD)
}

/// An execution that waits for an answer.
struct Held {
    file: OwnedFd,
    deadline: Instant,
}

struct Responder {
    group: Group,
    supervisor: Channel,
    worker: Option<Channel>,
    /// By number. Deadlines never decrease with the number, so the first is the earliest.
    held: BTreeMap<u64, Held>,
    /// What the worker has not taken yet.
    outbox: VecDeque<[u8; 40]>,
    next: u64,
    /// Since when no event is read because too many are held.
    full_since: Option<Instant>,
    patience: Duration,
    capacity: usize,
    expired: u64,
    unseen: u64,
    /// The value of `unseen` that the supervisor knows.
    reported: u64,
}

impl Responder {
    fn new(group: Group, supervisor: Channel, patience: Duration, capacity: usize) -> Responder {
        Responder {
            group,
            supervisor,
            worker: None,
            held: BTreeMap::new(),
            outbox: VecDeque::new(),
            next: 0,
            full_since: None,
            patience,
            capacity,
            expired: 0,
            unseen: 0,
            reported: 0,
        }
    }

    fn serve(mut self) -> Result<(), Errno> {
        loop {
            let [events, worker, supervisor] = self.wait()?;
            if supervisor && !self.hear_supervisor() {
                return Ok(());
            }
            if worker {
                self.hear_worker();
            }
            self.flush_outbox();
            if events {
                self.read_events();
            }
            self.let_go_overdue();
            self.report_gap();
        }
    }

    /// Waits for something to do: events, the worker, the supervisor.
    fn wait(&mut self) -> Result<[bool; 3], Errno> {
        let room = self.held.len() < self.capacity;
        let reads = if room || self.backlog_overdue() {
            PollFlags::POLLIN
        } else {
            PollFlags::empty()
        };
        let mut wanted = PollFlags::POLLIN;
        if !self.outbox.is_empty() {
            wanted |= PollFlags::POLLOUT;
        }
        // Without a worker its place is taken by the supervisor's channel, asked for nothing.
        let worker = match &self.worker {
            Some(channel) => PollFd::new(channel.as_fd(), wanted),
            None => PollFd::new(self.supervisor.as_fd(), PollFlags::empty()),
        };
        let mut fds = [
            PollFd::new(self.group.as_fd(), reads),
            worker,
            PollFd::new(self.supervisor.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let ready = fds.map(|fd| fd.any().unwrap_or(false));
        if room && !ready[0] {
            self.full_since = None;
        }
        Ok(ready)
    }

    fn timeout(&self) -> PollTimeout {
        let earliest = self.held.values().next().map(|held| held.deadline);
        let Some(earliest) = earliest else {
            return PollTimeout::NONE;
        };
        let left = earliest.saturating_duration_since(Instant::now());
        let milliseconds = left.as_nanos().div_ceil(1_000_000);
        i32::try_from(milliseconds)
            .ok()
            .and_then(|ms| PollTimeout::try_from(ms).ok())
            .unwrap_or(PollTimeout::MAX)
    }

    /// False when the supervisor is gone.
    fn hear_supervisor(&mut self) -> bool {
        loop {
            let message = match self.supervisor.receive() {
                Ok(Some(message)) => message,
                Err(Errno::EAGAIN | Errno::EINTR) => return true,
                Ok(None) | Err(_) => return false,
            };
            match (Control::decode(&message.bytes), message.fd) {
                (Some(Control::Ping), _) => {
                    let pong = Control::Pong(self.report());
                    // The supervisor judges by what it has; if it does not read, the next ping is answered.
                    let _ = self.supervisor.send(&pong.encode(), None);
                }
                (Some(Control::Peer), Some(fd)) => self.take_worker(Channel::of(fd)),
                _ => {}
            }
        }
    }

    fn report(&self) -> Report {
        let now = Instant::now();
        let due = self.held.values().next().map(|held| {
            let milliseconds = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
            match held.deadline.checked_duration_since(now) {
                Some(left) => milliseconds(left),
                None => -milliseconds(now - held.deadline),
            }
        });
        Report {
            due,
            expired: self.expired,
            unseen: self.unseen,
        }
    }

    fn take_worker(&mut self, worker: Channel) {
        self.drop_worker();
        // The marks were for programs that the previous worker waited for; the new one marks what it needs.
        let _ = self.group.flush();
        self.worker = Some(worker);
    }

    fn drop_worker(&mut self) {
        self.worker = None;
        self.outbox.clear();
        for (_, held) in std::mem::take(&mut self.held) {
            self.answer(&held.file, true);
            self.unseen += 1;
        }
    }

    fn hear_worker(&mut self) {
        while let Some(worker) = &self.worker {
            match worker.receive() {
                Ok(Some(message)) => self.obey(&message),
                Err(Errno::EAGAIN | Errno::EINTR) => return,
                Ok(None) | Err(_) => self.drop_worker(),
            }
        }
    }

    fn obey(&mut self, message: &Message) {
        match (Order::decode(&message.bytes), &message.fd) {
            (Some(Order::Answer { number, allow }), _) => {
                // It may have been let go at its deadline.
                if let Some(held) = self.held.remove(&number) {
                    self.answer(&held.file, allow);
                }
            }
            (Some(Order::Mark { token }), Some(file)) => {
                let result = self.group.mark(file.as_fd());
                let errno = result.err().map_or(0, |errno| errno as i32);
                self.outbox
                    .push_back(Notice::Marked { token, errno }.encode());
            }
            // A mark that is gone with its file is not missed.
            (Some(Order::Unmark), Some(file)) => _ = self.group.unmark(file.as_fd()),
            // The descriptor got lost for want of a free number.
            (Some(Order::Mark { token }), None) => {
                let errno = Errno::EMFILE as i32;
                self.outbox
                    .push_back(Notice::Marked { token, errno }.encode());
            }
            (Some(Order::Unmark) | None, _) => {}
        }
    }

    fn flush_outbox(&mut self) {
        while let (Some(worker), Some(message)) = (&self.worker, self.outbox.front()) {
            match worker.send(message, None) {
                Ok(()) => _ = self.outbox.pop_front(),
                Err(Errno::EAGAIN) => return,
                Err(_) => self.drop_worker(),
            }
        }
    }

    fn read_events(&mut self) {
        let room = self.capacity.saturating_sub(self.held.len());
        let most = if room == 0 { 1 } else { room.min(PIECE) };
        let events = match self.group.read(most) {
            Ok(events) => events,
            Err(Errno::EAGAIN) => return,
            // The kernel has denied what it could open no descriptor for; there is nothing left to answer.
            Err(_) => {
                self.unseen += 1;
                return;
            }
        };
        for event in events {
            self.take(event, room > 0);
        }
        self.flush_outbox();
        if self.held.len() >= self.capacity && self.full_since.is_none() {
            self.full_since = Some(Instant::now());
        }
    }

    fn take(&mut self, event: Event, room: bool) {
        match event {
            Event::Held { file, tid } if room => self.hold(file, tid),
            Event::Held { file, .. } => self.pass(&file),
            Event::Overflow => self.unseen += 1,
        }
    }

    fn hold(&mut self, file: OwnedFd, tid: i32) {
        let id = sys::file_id(file.as_fd());
        let (Some(_), Ok(id), 1..) = (&self.worker, id, tid) else {
            return self.pass(&file);
        };
        let number = self.next;
        self.next += 1;
        // An event out of a backlog has waited for at most as long as the backlog exists.
        let since = self.full_since.unwrap_or_else(Instant::now);
        let deadline = since + self.patience;
        self.held.insert(number, Held { file, deadline });
        let notice = Notice::Held {
            number,
            tid,
            file: id,
        };
        self.outbox.push_back(notice.encode());
    }

    /// Lets something go without anybody having looked at it.
    fn pass(&mut self, file: &OwnedFd) {
        self.answer(file, true);
        self.unseen += 1;
    }

    fn answer(&self, file: &OwnedFd, allow: bool) {
        // ENOENT: the task was killed while it waited.
        let _ = self.group.answer(file.as_fd(), allow);
    }

    /// Whether events have been left unread for as long as any may wait.
    fn backlog_overdue(&self) -> bool {
        self.full_since
            .is_some_and(|since| since.elapsed() >= self.patience)
    }

    fn let_go_overdue(&mut self) {
        let now = Instant::now();
        while let Some(first) = self.held.first_entry()
            && first.get().deadline <= now
        {
            let held = first.remove();
            self.answer(&held.file, true);
            self.expired += 1;
        }
    }

    /// Tells once that starts have passed unseen, so that somebody looks for the containers.
    fn report_gap(&mut self) {
        if self.unseen == self.reported {
            return;
        }
        if self.supervisor.send(&Control::Gap.encode(), None).is_ok() {
            self.reported = self.unseen;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The queue has no limit, so no kernel says this of itself.
    #[test]
    fn an_overflow_is_a_gap_that_is_told_once() {
        if !lxcri_tests::need::privileged() {
            return;
        }
        let (supervisor, ours) = Channel::pair().unwrap();
        let group = Group::new().unwrap();
        let mut responder = Responder::new(group, ours, Duration::from_secs(10), 1);
        let told = || {
            let message = supervisor.receive().ok().flatten();
            message.and_then(|message| Control::decode(&message.bytes))
        };
        responder.report_gap();
        assert_eq!(told(), None);
        responder.take(Event::Overflow, true);
        responder.report_gap();
        responder.report_gap();
        assert_eq!(told(), Some(Control::Gap));
        assert_eq!(told(), None);
        assert_eq!(responder.report().unseen, 1);
    }
}
