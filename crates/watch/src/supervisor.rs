//! The process that starts the responder and the worker, ends the one that does not do its duty, and replaces it.

mod child;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, getpid};

use crate::channel::Channel;
use crate::journal::Journal;
use crate::message::{Control, Report};
use crate::say::say;
use crate::settings::Settings;
use crate::{responder, sys, worker};

use child::{Child, Role};

/// How often a child is asked whether it lives.
const PING: Duration = Duration::from_millis(400);
/// How long a child may take to say that it is ready.
const START: Duration = Duration::from_secs(20);
/// How long the worker may take to end by itself.
const END: Duration = Duration::from_secs(2);
/// Pause before a child that has just been started is started again, doubled each time.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why watching could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// A system call failed.
    #[error("{0}: {1}")]
    Call(&'static str, Errno),
    /// A child cannot do what it is there for.
    #[error("{0}")]
    Child(String),
}

fn call(name: &'static str) -> impl FnOnce(Errno) -> SuperviseError {
    move |errno| SuperviseError::Call(name, errno)
}

/// Watches until SIGTERM or SIGINT comes, or, where orders come on stdin, until that ends.
pub fn run(settings: Settings) -> Result<(), SuperviseError> {
    let mut set = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
    ] {
        set.add(signal);
    }
    // A terminal's stop key would stop all of us at once, and with us every start on the machine.
    for signal in [
        Signal::SIGTSTP,
        Signal::SIGTTIN,
        Signal::SIGTTOU,
        Signal::SIGPIPE,
    ] {
        sys::ignore(signal).map_err(call("sigaction(SIG_IGN)"))?;
    }
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None).map_err(call("sigprocmask"))?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&set, flags).map_err(call("signalfd"))?;
    let journal = Journal::new().map_err(call("memfd_create"))?;
    let mut supervisor = Supervisor {
        settings: Arc::new(settings),
        journal: Arc::new(journal),
        signals,
        responder: None,
        worker: None,
        planned: [None; 2],
        unseen: 0,
        expired: 0,
    };
    let result = supervisor.start().and_then(|()| supervisor.serve());
    supervisor.end();
    result
}

struct Supervisor {
    settings: Arc<Settings>,
    journal: Arc<Journal>,
    signals: SignalFd,
    responder: Option<Child>,
    worker: Option<Child>,
    /// When a child that has ended is started again, and after which pause.
    planned: [Option<(Instant, Duration)>; 2],
    unseen: u64,
    expired: u64,
}

impl Supervisor {
    fn start(&mut self) -> Result<(), SuperviseError> {
        for role in [Role::Responder, Role::Worker] {
            let child = self.spawn(role, Duration::ZERO)?;
            *self.child(role) = Some(child);
            if role == Role::Worker {
                self.introduce()?;
            }
            self.await_ready(role)?;
        }
        Ok(())
    }

    fn child(&mut self, role: Role) -> &mut Option<Child> {
        match role {
            Role::Responder => &mut self.responder,
            Role::Worker => &mut self.worker,
        }
    }

    fn spawn(&self, role: Role, pause: Duration) -> Result<Child, SuperviseError> {
        let (ours, theirs) = Channel::pair().map_err(call("socketpair"))?;
        let parent = getpid();
        match sys::fork().map_err(call("fork"))? {
            ForkResult::Parent { child } => Ok(Child {
                pid: child,
                channel: ours,
                born: Instant::now(),
                pause,
                last_ping: Instant::now(),
                asked: None,
                due: Instant::now() + self.settings.answer_within(),
                killed: false,
            }),
            ForkResult::Child => self.become_child(role, parent, theirs),
        }
    }

    fn become_child(&self, role: Role, parent: Pid, channel: Channel) -> ! {
        let status = match self.child_main(role, parent, channel) {
            Ok(()) => 0,
            Err(errno) => {
                say(format!("{}: {errno}", role.name()));
                1
            }
        };
        std::process::exit(status)
    }

    fn child_main(&self, role: Role, parent: Pid, channel: Channel) -> Result<(), Errno> {
        sys::die_with_parent(parent)?;
        // Signals from a terminal are for the supervisor.
        nix::unistd::setsid()?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        match role {
            Role::Responder => {
                sys::name_process("lxcri-watch-ans");
                sys::close_others(&[channel.as_fd()]);
                let null = std::fs::File::options()
                    .read(true)
                    .write(true)
                    .open("/dev/null");
                let null = null.map_err(|_| Errno::ENOENT)?;
                dup2_stdin(&null)?;
                dup2_stdout(&null)?;
                dup2_stderr(&null)?;
                responder::run(channel, self.settings.answer_within())
            }
            Role::Worker => {
                sys::name_process("lxcri-watch-wrk");
                let [one, other] = self.journal.descriptors();
                sys::close_others(&[channel.as_fd(), one, other]);
                worker::run(channel, &self.settings, &self.journal)
            }
        }
    }

    /// Gives responder and worker a channel to one another.
    fn introduce(&mut self) -> Result<(), SuperviseError> {
        let (Some(responder), Some(worker)) = (&self.responder, &self.worker) else {
            return Ok(());
        };
        let (one, other) = Channel::pair().map_err(call("socketpair"))?;
        let peer = Control::Peer.encode();
        for (child, end) in [(responder, one), (worker, other)] {
            // A child that is gone is noticed by its end.
            let _ = child.channel.send(&peer, Some(end.as_fd()));
        }
        Ok(())
    }

    fn await_ready(&mut self, role: Role) -> Result<(), SuperviseError> {
        let deadline = Instant::now() + START;
        let failed = |text: &str| SuperviseError::Child(format!("{} {text}", role.name()));
        loop {
            let Some(child) = self.child(role) else {
                return Err(failed("is gone"));
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(child.channel.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, milliseconds(left));
            match child.channel.receive() {
                Ok(Some(message)) => match Control::decode(&message.bytes) {
                    Some(Control::Ready) => return Ok(()),
                    Some(Control::Failed(reason)) => return Err(SuperviseError::Child(reason)),
                    _ => {}
                },
                Err(Errno::EAGAIN | Errno::EINTR) if !left.is_zero() => {}
                Err(Errno::EAGAIN) => return Err(failed("did not get ready")),
                Ok(None) | Err(_) => return Err(failed("ended before it was ready")),
            }
        }
    }

    fn serve(&mut self) -> Result<(), SuperviseError> {
        loop {
            self.wait()?;
            if self.asked_to_end() {
                return Ok(());
            }
            for role in [Role::Responder, Role::Worker] {
                self.listen(role)?;
                self.look_after(role);
                self.notice_end(role);
                self.start_again(role)?;
            }
        }
    }

    fn wait(&self) -> Result<(), SuperviseError> {
        let signals = self.signals.as_fd();
        let mut fds = vec![PollFd::new(signals, PollFlags::POLLIN)];
        let children = [&self.responder, &self.worker];
        let channels = children
            .into_iter()
            .flatten()
            .map(|child| child.channel.as_fd());
        fds.extend(channels.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        let stdin = std::io::stdin();
        if self.settings.orders {
            // Only its end: what comes is for the worker.
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::empty()));
        }
        let mut patience = match self.planned {
            [None, None] => PING,
            _ => PAUSE,
        };
        // Not a ping later, since that would be time in which somebody is held.
        if let Some(until) = self
            .responder
            .as_ref()
            .and_then(|child| child.answers_until(Role::Responder))
        {
            let left = until.saturating_duration_since(Instant::now());
            patience = patience.min(left + Duration::from_millis(1));
        }
        match poll(&mut fds, milliseconds(patience)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(SuperviseError::Call("poll", errno)),
        }
    }

    /// Takes the signals; SIGCHLD only wakes us.
    fn asked_to_end(&mut self) -> bool {
        let mut end = false;
        while let Ok(Some(info)) = self.signals.read_signal() {
            end |= info.ssi_signo != nix::libc::SIGCHLD.unsigned_abs();
        }
        end || (self.settings.orders && closed(std::io::stdin().as_fd()))
    }

    fn listen(&mut self, role: Role) -> Result<(), SuperviseError> {
        let patience = self.settings.answer_within();
        while let Some(child) = self.child(role) {
            let Ok(Some(message)) = child.channel.receive() else {
                return Ok(());
            };
            match Control::decode(&message.bytes) {
                Some(Control::Pong(report)) => {
                    child.asked = None;
                    child.due = match report.due {
                        Some(milliseconds) => from_now(milliseconds),
                        None => Instant::now() + patience,
                    };
                    if role == Role::Responder {
                        self.note(&report);
                    }
                }
                Some(Control::Gap) => self.tell_gap(),
                Some(Control::Failed(reason)) => say(format!("{}: {reason}", role.name())),
                _ => {}
            }
        }
        Ok(())
    }

    fn note(&mut self, report: &Report) {
        if report.expired > self.expired {
            let count = report.expired - self.expired;
            say(format!("{count} starts let go at the deadline"));
        }
        if report.unseen > self.unseen {
            let count = report.unseen - self.unseen;
            say(format!(
                "{count} executions passed without having been looked at"
            ));
        }
        // A new responder counts from zero.
        (self.expired, self.unseen) = (report.expired, report.unseen);
    }

    fn tell_gap(&self) {
        if let Some(worker) = &self.worker {
            // A worker that does not read is replaced, and the new one looks for everything.
            let _ = worker.channel.send(&Control::Gap.encode(), None);
        }
    }

    /// Asks a child whether it lives, and kills it when it does not answer in time.
    fn look_after(&mut self, role: Role) {
        let Some(child) = self.child(role) else {
            return;
        };
        let now = Instant::now();
        if child.killed {
            // Its end is waited for.
        } else if let Some(until) = child.answers_until(role) {
            if now >= until {
                say(format!("{} does not answer: killed", role.name()));
                child.kill();
            }
        } else if now >= child.last_ping + PING {
            child.last_ping = now;
            if child.channel.send(&Control::Ping.encode(), None).is_ok() {
                child.asked = Some(now);
            }
        }
    }

    fn notice_end(&mut self, role: Role) {
        let Some(child) = self.child(role) else {
            return;
        };
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
        let how = match waitid(Id::Pid(child.pid), flags) {
            Ok(WaitStatus::Stopped(..)) => {
                say(format!("{} was stopped: killed", role.name()));
                child.kill();
                return;
            }
            Ok(WaitStatus::Exited(_, status)) => format!("exit status {status}"),
            Ok(WaitStatus::Signaled(_, signal, _)) => format!("killed by {signal}"),
            _ => return,
        };
        let pause = match child.born.elapsed() {
            lived if lived > LONGEST_PAUSE => Duration::ZERO,
            _ => (child.pause * 2).clamp(PAUSE, LONGEST_PAUSE),
        };
        say(format!("{} ended ({how}), starting another", role.name()));
        *self.child(role) = None;
        self.planned[role as usize] = Some((Instant::now() + pause, pause));
    }

    fn start_again(&mut self, role: Role) -> Result<(), SuperviseError> {
        let planned = &mut self.planned[role as usize];
        let Some((_, pause)) = planned.take_if(|(when, _)| *when <= Instant::now()) else {
            return Ok(());
        };
        let child = self.spawn(role, pause)?;
        *self.child(role) = Some(child);
        self.introduce()?;
        if role == Role::Responder {
            (self.expired, self.unseen) = (0, 0);
            self.tell_gap();
        }
        Ok(())
    }

    /// Ends the responder first: the kernel lets go of what it holds. The worker may say what it knows.
    fn end(&mut self) {
        if let Some(responder) = self.responder.take() {
            let _ = kill(responder.pid, Signal::SIGKILL);
            let _ = waitid(Id::Pid(responder.pid), WaitPidFlag::WEXITED);
        }
        let Some(Child { pid, channel, .. }) = self.worker.take() else {
            return;
        };
        drop(channel);
        let deadline = Instant::now() + END;
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        while matches!(waitid(Id::Pid(pid), flags), Ok(WaitStatus::StillAlive)) {
            if Instant::now() >= deadline {
                let _ = kill(pid, Signal::SIGKILL);
                let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED);
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The moment that lies some milliseconds ahead, or behind.
fn from_now(milliseconds: i64) -> Instant {
    let distance = Duration::from_millis(milliseconds.unsigned_abs());
    let now = Instant::now();
    if milliseconds < 0 {
        now.checked_sub(distance).unwrap_or(now)
    } else {
        now + distance
    }
}

/// Whether the other end of a pipe or socket is gone.
fn closed(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

fn milliseconds(duration: Duration) -> PollTimeout {
    i32::try_from(duration.as_millis())
        .ok()
        .and_then(|ms| PollTimeout::try_from(ms).ok())
        .unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_told_to_the_worker() {
        let child = |channel| Child {
            pid: getpid(),
            channel,
            born: Instant::now(),
            pause: Duration::ZERO,
            last_ping: Instant::now(),
            asked: None,
            due: Instant::now(),
            killed: false,
        };
        let (ours, responder) = Channel::pair().unwrap();
        let (to_worker, worker) = Channel::pair().unwrap();
        let mut supervisor = Supervisor {
            settings: Arc::new(Settings::new()),
            journal: Arc::new(Journal::new().unwrap()),
            signals: SignalFd::new(&SigSet::empty()).unwrap(),
            responder: Some(child(ours)),
            worker: Some(child(to_worker)),
            planned: [None; 2],
            unseen: 0,
            expired: 0,
        };
        responder.send(&Control::Gap.encode(), None).unwrap();
        supervisor.listen(Role::Responder).unwrap();
        let told = worker.receive().unwrap().unwrap();
        assert_eq!(Control::decode(&told.bytes), Some(Control::Gap));
        assert_eq!(worker.receive().unwrap_err(), Errno::EAGAIN);
    }
}
