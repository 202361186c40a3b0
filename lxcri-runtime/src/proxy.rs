//! Carries bytes between the caller's terminal and the container's while `run` is in the foreground.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::sys;

/// The two terminals. Dropping it puts the caller's back into its mode.
pub struct Proxy {
    master: std::fs::File,
    saved: Option<Termios>,
    input_open: bool,
    to_container: Vec<u8>,
}

impl Proxy {
    /// Takes the master of the container's terminal; the caller's becomes raw if stdin is one.
    pub fn new(master: OwnedFd) -> Result<Proxy> {
        let flags = nix::fcntl::OFlag::O_NONBLOCK;
        nix::fcntl::fcntl(&master, nix::fcntl::FcntlArg::F_SETFL(flags))
            .context("fcntl(ptmx, F_SETFL)")?;
        let stdin = io::stdin();
        let saved = tcgetattr(&stdin).ok();
        if let Some(saved) = &saved {
            let mut raw = saved.clone();
            cfmakeraw(&mut raw);
            tcsetattr(&stdin, SetArg::TCSANOW, &raw).context("tcsetattr(stdin)")?;
        }
        let proxy = Proxy {
            master: master.into(),
            saved,
            input_open: true,
            to_container: Vec::new(),
        };
        proxy.resize();
        Ok(proxy)
    }

    /// Gives the container's terminal the size of the caller's.
    pub fn resize(&self) {
        // A terminal that does not know its size says 0.
        if let Ok((rows @ 1.., columns @ 1..)) = sys::window_size(io::stdin().as_fd()) {
            // A terminal of a wrong size is no reason to end the container.
            let _ = sys::set_window_size(self.master.as_fd(), rows, columns);
        }
    }

    /// Carries bytes until a signal has arrived or the process has ended, which is true.
    pub fn wait(&mut self, signals: BorrowedFd, process: BorrowedFd) -> Result<bool> {
        loop {
            let stdin = io::stdin();
            let mut events = PollFlags::POLLIN;
            if !self.to_container.is_empty() {
                events |= PollFlags::POLLOUT;
            }
            let mut fds = vec![
                PollFd::new(signals, PollFlags::POLLIN),
                PollFd::new(process, PollFlags::POLLIN),
                PollFd::new(self.master.as_fd(), events),
            ];
            if self.input_open && self.to_container.is_empty() {
                fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                Err(e) => return Err(e).context("poll(terminal)"),
                Ok(_) => {}
            }
            let ready: Vec<PollFlags> = fds
                .iter()
                .map(|fd| fd.revents().unwrap_or(PollFlags::empty()))
                .collect();
            drop(fds);
            if ready.get(3).is_some_and(|r| !r.is_empty()) {
                self.read_input();
            }
            if !ready[2].is_empty() {
                self.write_input();
                if !self.copy_output() && ready[0].is_empty() && ready[1].is_empty() {
                    // Nobody has the slave open just now; somebody may open it again.
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
            }
            if !ready[0].is_empty() || !ready[1].is_empty() {
                return Ok(!ready[1].is_empty());
            }
        }
    }

    /// Copies what the container wrote last.
    pub fn drain(&mut self) {
        while self.copy_output() {}
    }

    fn read_input(&mut self) {
        let mut buffer = [0; 4096];
        match nix::unistd::read(io::stdin(), &mut buffer) {
            Ok(0) | Err(Errno::EIO) => self.input_open = false,
            Ok(count) => self.to_container.extend_from_slice(&buffer[..count]),
            Err(_) => {}
        }
    }

    fn write_input(&mut self) {
        if let Ok(count) = self.master.write(&self.to_container) {
            self.to_container.drain(..count);
        }
    }

    /// Copies a piece of output. `false` when there was none.
    fn copy_output(&mut self) -> bool {
        let mut buffer = [0; 8192];
        match self.master.read(&mut buffer) {
            Ok(count) if count > 0 => {
                let mut stdout = io::stdout().lock();
                // A caller who closed its terminal does not read any more.
                let _ = stdout
                    .write_all(&buffer[..count])
                    .and_then(|()| stdout.flush());
                true
            }
            _ => false,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, saved);
        }
    }
}

/// Waits until a signal has arrived or the process has ended, which is true.
pub fn wait(signals: BorrowedFd, process: BorrowedFd) -> Result<bool> {
    loop {
        let mut fds = [
            PollFd::new(signals, PollFlags::POLLIN),
            PollFd::new(process, PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e).context("poll(process)"),
            Ok(_) => return Ok(fds[1].any().unwrap_or(false)),
        }
    }
}
