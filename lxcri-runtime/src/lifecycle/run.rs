//! `run`: creates and starts a container and, in the foreground, stays until it ends.

use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::create::{self, Created};
use super::destroy;
use super::start::{self, Meanwhile, Met};
use crate::interrupts;
use crate::process::Process;
use crate::proxy::Proxy;
use crate::request::Runtime;
use crate::request::{Request, Terminals};
use crate::store::Container;

/// What to do around the container's life.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Leave when it has started.
    pub detach: bool,
    /// Keep its state when it has ended.
    pub keep: bool,
}

/// Runs a container. Returns the exit status for this program: the process's, or 128+n after signal n.
///
/// Once the program runs, signals are forwarded to it. While hooks run those of [`interrupts`] end the command, and the others
/// are forwarded when the hooks have ended.
pub fn run(runtime: &Runtime, mut request: Request, options: Options) -> Result<i32> {
    if !options.detach {
        if let Terminals::Socket(path) = &request.terminals {
            bail!(
                "--console-socket {}: only with --detach, because this command serves the terminal itself",
                path.display()
            );
        }
        // Init loses its parent when LXC's monitor is ended, and must become a child of this process.
        nix::sys::prctl::set_child_subreaper(true).context("prctl(PR_SET_CHILD_SUBREAPER)")?;
        request.terminals = Terminals::Own;
    }
    let id = request.id.clone();
    let pid_file = request.pid_file.clone();
    let Created {
        init,
        master,
        locked,
        mut lxc,
    } = create::create(runtime, request)?;
    let container = Container::at(&runtime.root, &id);
    // lxc-start ends while the container begins.
    let launcher = locked.record.launcher;
    let start = |meanwhile| {
        start::start_locked(runtime, &container, locked, meanwhile)
            .and_then(|()| lxc.wait())
            .inspect_err(|_| {
                clean(runtime, &container);
                // The pid is nobody's, or soon somebody else's.
                if let Some(path) = &pid_file {
                    let _ = std::fs::remove_file(path);
                }
            })
    };
    if options.detach {
        return start(None).map(|()| 0);
    }
    let signals = catch_signals()?;
    let held = RefCell::new(Vec::new());
    start(Some(Meanwhile {
        fd: signals.as_fd(),
        act: &|| hold_or_interrupt(&signals, &held, init, launcher),
    }))?;
    for signal in held.into_inner() {
        to_init(&signal, init);
    }
    let status = attend(init, &signals, master);
    if !options.keep {
        clean(runtime, &container);
    }
    status
}

/// Removes the container, whatever state it is in. Errors are warnings: the status of the process is the result.
fn clean(runtime: &Runtime, container: &Container) {
    if !container.exists() {
        return;
    }
    let errors = match container
        .lock_to_delete()
        .and_then(|lock| Ok((lock, container.state_locked()?)))
    {
        Ok((_lock, (state, record))) => destroy::destroy(runtime, container, state, record),
        Err(_) if !container.exists() => Vec::new(),
        Err(error) => vec![error],
    };
    for error in errors {
        log::warn!("{}", crate::errors::one_line(&error));
    }
}

fn catch_signals() -> Result<SignalFd> {
    let mut set = SigSet::all();
    // Faults of this program itself must end it.
    for fault in [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGTRAP,
        Signal::SIGSYS,
    ] {
        set.remove(fault);
    }
    set.thread_block().context("sigprocmask")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).context("signalfd")
}

/// Forwards signals and the terminal until init has ended, and returns its status.
fn attend(init: Process, signals: &SignalFd, master: Option<OwnedFd>) -> Result<i32> {
    let pidfd =
        crate::sys::pidfd_open(init.pid).with_context(|| format!("pidfd_open({})", init.pid))?;
    let mut proxy = master.map(Proxy::new).transpose()?;
    loop {
        let ended = match &mut proxy {
            Some(proxy) => proxy.wait(signals.as_fd(), pidfd.as_fd())?,
            None => crate::proxy::wait(signals.as_fd(), pidfd.as_fd())?,
        };
        forward(signals, init, proxy.as_ref())?;
        if ended {
            break;
        }
    }
    if let Some(proxy) = &mut proxy {
        proxy.drain();
    }
    drop(proxy);
    reap(init.pid)
}

/// Sees to the signals that have come while init may still run hooks: those that are for the program are held for it.
fn hold_or_interrupt(
    signals: &SignalFd,
    held: &RefCell<Vec<siginfo>>,
    init: Process,
    launcher: (u64, u64),
) -> Result<()> {
    while let Some(info) = signals.read_signal().context("read(signalfd)")? {
        let signal = Signal::try_from(info.ssi_signo as i32).ok();
        if let Some(signal) = signal.filter(|signal| interrupts::is_one(*signal)) {
            let met = start::interrupt(init, launcher);
            if !matches!(met, Ok(Met::Program)) {
                interrupts::note(signal);
                met?;
                continue;
            }
        }
        held.borrow_mut().push(info);
    }
    Ok(())
}

/// Forwards the signals that have come to init, and the size of the terminal to the container's.
fn forward(signals: &SignalFd, init: Process, proxy: Option<&Proxy>) -> Result<()> {
    while let Some(info) = signals.read_signal().context("read(signalfd)")? {
        match proxy {
            Some(proxy) if info.ssi_signo as i32 == libc::SIGWINCH => proxy.resize(),
            _ => to_init(&info, init),
        }
    }
    Ok(())
}

/// Forwards a signal.
fn to_init(info: &siginfo, init: Process) {
    match info.ssi_signo as i32 {
        libc::SIGCHLD => {}
        // Of a pipe of this program's own.
        libc::SIGPIPE if info.ssi_pid == std::process::id() => {}
        signal => {
            // Init may just have ended.
            let _ = init.signal(signal);
        }
    }
}

fn reap(pid: i32) -> Result<i32> {
    loop {
        match waitpid(Pid::from_raw(pid), None) {
            Ok(WaitStatus::Exited(_, status)) => return Ok(status),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as i32),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e).with_context(|| format!("waitpid({pid})")),
        }
    }
}
