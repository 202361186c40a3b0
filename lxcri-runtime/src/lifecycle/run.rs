//! `run`: creates and starts a container and, in the foreground, stays until it ends.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::create::{self, Created};
use super::{destroy, start};
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
/// Until the container has been created signals act on this program as usual; then they are forwarded.
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
    let Created {
        init,
        master,
        locked,
        mut lxc,
    } = create::create(runtime, request)?;
    let container = Container::at(&runtime.root, &id);
    // It ends while the container begins.
    let start = || start::start_locked(runtime, &container, locked).and_then(|()| lxc.wait());
    if options.detach {
        return start()
            .map(|()| 0)
            .inspect_err(|_| clean(runtime, &container));
    }
    let signals = catch_signals()?;
    if let Err(error) = start() {
        clean(runtime, &container);
        return Err(error);
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
        while let Some(info) = signals.read_signal().context("read(signalfd)")? {
            let signal = info.ssi_signo as i32;
            match signal {
                libc::SIGCHLD | libc::SIGURG | libc::SIGPIPE => {}
                libc::SIGWINCH if proxy.is_some() => {
                    if let Some(proxy) = &proxy {
                        proxy.resize();
                    }
                }
                _ => {
                    // Init may just have ended.
                    let _ = init.signal(signal);
                }
            }
        }
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
