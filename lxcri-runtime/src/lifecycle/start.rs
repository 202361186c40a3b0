//! `start`: lets init go on, hears what becomes of it, runs the poststart hooks.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use hook_model::{Phase, State, Status};
use hook_tree::names;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{destroy, hooks};
use crate::interrupts;
use crate::mountpoint;
use crate::process::{self, Process};
use crate::record::Record;
use crate::records::Records;
use crate::request::Runtime;
use crate::store::{Container, Locked};

/// Starts a created container. When a hook fails, the container is destroyed and its poststop hooks run.
pub fn start(runtime: &Runtime, id: &str) -> Result<()> {
    let container = Container::at(&runtime.root, id);
    container.must_exist()?;
    let lock = container.lock()?;
    // The lock may be another command's for long.
    interrupts::catch()?;
    let (state, record) = container.state_locked()?;
    let Some(record) = record.filter(|_| state.status == Status::Created) else {
        bail!(
            "cannot start container {id}: it is {}, not created",
            state.status
        );
    };
    let locked = Locked {
        lock,
        state,
        record,
    };
    start_locked(runtime, &container, locked, None)
}

/// What to see to while init runs the startContainer hooks.
#[derive(Clone, Copy)]
pub struct Meanwhile<'a> {
    /// Is readable when there is something.
    pub fd: BorrowedFd<'a>,
    /// Sees to it.
    pub act: &'a dyn Fn() -> Result<()>,
}

/// The same with a container that has just been created, or found to be so.
pub fn start_locked(
    runtime: &Runtime,
    container: &Container,
    locked: Locked,
    meanwhile: Option<Meanwhile>,
) -> Result<()> {
    let Locked {
        lock: _lock,
        mut state,
        record,
    } = locked;
    let copy = runtime.hooks_log.as_deref().or(record.hooks_log.as_deref());
    let records = Records::of(container, copy);
    match begin(container, &mut state, &record, &records, meanwhile) {
        Ok(()) => Ok(()),
        Err(Failure::Stopped(error)) => Err(interrupts::explain(error)),
        Err(Failure::Destroy(error)) => {
            let error = interrupts::explain(error);
            for other in destroy::destroy(runtime, container, state, Some(record)) {
                log::warn!("{}", crate::errors::one_line(&other));
            }
            Err(error)
        }
    }
}

/// What becomes of a container whose start failed.
enum Failure {
    /// It has ended and stays until it is deleted, as when its program cannot be executed.
    Stopped(anyhow::Error),
    /// A hook failed: it is destroyed.
    Destroy(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Destroy(error)
    }
}

fn begin(
    container: &Container,
    state: &mut State,
    record: &Record,
    records: &Records,
    meanwhile: Option<Meanwhile>,
) -> Result<(), Failure> {
    let init = record.init.context("record.json names no init")?;
    let interrupted = || {
        interrupts::take();
        interrupt(init, record.launcher).map(drop)
    };
    let interrupts = interrupts::fd().map(|fd| Meanwhile {
        fd,
        act: &interrupted,
    });
    let message = listen(container, records, meanwhile.or(interrupts))?;
    match message {
        Outcome::Executed if init.has_executed_another(record.launcher) => {}
        // `!` did not come either.
        Outcome::Executed => {
            return Err(Failure::Stopped(anyhow!(
                "start container {}: the program was not executed, and init could not say why: \
                 does /linux/seccomp allow execve, write and exit_group?",
                container.id
            )));
        }
        Outcome::HookFailed(text) => return Err(Failure::Destroy(anyhow!(text))),
        Outcome::Failed(text) => {
            return Err(Failure::Stopped(anyhow!(
                "start container {}: {text}",
                container.id
            )));
        }
        Outcome::Ended => {
            let id = &container.id;
            return Err(Failure::Stopped(anyhow!(
                "start container {id}: init ended before it executed the program"
            )));
        }
    }
    // Init has detached the mount, and with the program executed nobody holds the lock for this container.
    if let Err(e) = mountpoint::release(&record.rootfs) {
        log::warn!("remove {}/.lxcri: {e}", record.rootfs.display());
    }
    state.status = Status::Running;
    state.pid = Some(init.pid);
    container.write_state(state)?;
    let poststart = hooks::read(container, Phase::Poststart)?;
    hooks::run(&poststart, &record.pins, Phase::Poststart, state, records)?;
    Ok(())
}

/// What an interrupt meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// A startContainer hook, which has been ended. Init reports it.
    Hook,
    /// The program.
    Program,
}

/// Ends the startContainer hook that runs. `launcher`: device and inode of what init was executed from.
///
/// # Errors
/// There is none, and the program has not been executed either: what is left is to destroy the container.
pub fn interrupt(init: Process, launcher: (u64, u64)) -> Result<Met> {
    let hooks = process::children(init.pid);
    // Only now it is known whose children they were.
    if init.executes_another(launcher) {
        return Ok(Met::Program);
    }
    match process::end_all(hooks).context("end the startContainer hook")? {
        true => Ok(Met::Hook),
        false => bail!("init had not executed the program"),
    }
}

/// Greatest length in bytes of a line from init: a record has the arguments of a hook, of which each byte may become six.
const LINE_LIMIT: usize = 6 * names::FILE_LIMIT + (1 << 20);

/// How much is read before init is looked at again, in pieces.
const PIECES: usize = 128;

/// How often it is looked whether init still waits, whatever comes through the FIFO.
const LOOK: Duration = Duration::from_millis(500);

/// What init had to say.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Executed,
    HookFailed(String),
    Failed(String),
    Ended,
}

/// Opens the syncfifo, which wakes init, and reads until init executes the program or ends.
///
/// There is no deadline: a startContainer hook without a timeout may take as long as it likes, and whoever kills init
/// ends this as well.
fn listen(
    container: &Container,
    records: &Records,
    meanwhile: Option<Meanwhile>,
) -> Result<Outcome> {
    let path = container.guest(names::SYNCFIFO);
    let mut fifo: File = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOFOLLOW)
        .open(&path)
        .with_context(|| format!("open {}", path.display()))?;
    let mut heard = Heard::new(records);
    let mut look = Instant::now() + LOOK;
    let mut ended = false;
    while !ended {
        // Until init has opened its end, poll says nothing: a hang-up is reported only after there was a writer.
        let other = meanwhile.map_or(fifo.as_fd(), |meanwhile| meanwhile.fd);
        let mut fds = [fifo.as_fd(), other].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, PollTimeout::from(LOOK.as_millis() as u16)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(anyhow!(e)).context("poll(syncfifo)"),
        }
        let [from_init, other] = fds.map(|fd| fd.any() == Some(true));
        if let (Some(meanwhile), true) = (meanwhile, other) {
            (meanwhile.act)()?;
        }
        // Somebody else who holds the FIFO keeps its end from being seen, and may write.
        if Instant::now() >= look {
            look = Instant::now() + LOOK;
            ended = container.state_locked()?.0.status != Status::Created;
        }
        // Without a writer a read would say that it has come to its end.
        if from_init || ended {
            let read = heard.read(&mut fifo);
            ended |= read.with_context(|| format!("read {}", path.display()))?;
        }
    }
    Ok(heard.outcome())
}

/// Lines from init: records begin with `{`, an error with `!`, and `>` says that the program is executed next.
///
/// Records are written down as they come: whoever waits for a hook that hangs sees those before it.
struct Heard<'a> {
    records: &'a Records,
    /// The beginning of a line.
    rest: Vec<u8>,
    failed_hook: bool,
    records_heard: u32,
    strange: bool,
    outcome: Outcome,
}

impl<'a> Heard<'a> {
    fn new(records: &'a Records) -> Heard<'a> {
        Heard {
            records,
            rest: Vec::new(),
            failed_hook: false,
            records_heard: 0,
            strange: false,
            outcome: Outcome::Ended,
        }
    }

    /// Takes what there is, within bounds. Whether that was the end.
    fn read(&mut self, fifo: &mut File) -> io::Result<bool> {
        let mut buffer = [0; 8192];
        for _ in 0..PIECES {
            match fifo.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(count) => self.take(&buffer[..count]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        Ok(false)
    }

    fn take(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|&b| b == b'\n') {
            self.rest.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.rest);
                self.line(&line[..line.len() - 1]);
            } else if self.rest.len() > LINE_LIMIT {
                self.rest.clear();
                self.stranger();
            }
        }
    }

    fn line(&mut self, line: &[u8]) {
        match line.first() {
            Some(b'{') => self.record(line),
            Some(b'>') => self.outcome = Outcome::Executed,
            Some(b'!') => {
                let text = String::from_utf8_lossy(&line[1..]).into_owned();
                self.outcome = if self.failed_hook {
                    Outcome::HookFailed(text)
                } else {
                    Outcome::Failed(text)
                };
            }
            _ => {}
        }
    }

    /// Others in the container may get hold of the FIFO while hooks run: what is no record of the next hook is none.
    fn record(&mut self, line: &[u8]) {
        let record = hook_model::Record::from_line(line)
            .ok()
            .filter(|r| r.phase == Phase::StartContainer && r.index == self.records_heard + 1);
        let Some(record) = record else {
            return self.stranger();
        };
        self.records_heard += 1;
        self.failed_hook = !record.succeeded();
        self.records.add(&record);
    }

    /// Says once, however much of it comes, that somebody else writes.
    fn stranger(&mut self) {
        if !std::mem::replace(&mut self.strange, true) {
            log::warn!(
                "somebody in the container writes lines to init's FIFO that are no record of a hook"
            );
        }
    }

    /// What it came to. The last line may lack its end.
    fn outcome(mut self) -> Outcome {
        let rest = std::mem::take(&mut self.rest);
        self.line(&rest);
        self.outcome
    }
}
