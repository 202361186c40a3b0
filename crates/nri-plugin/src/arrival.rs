//! Notices that an engine makes its socket, so that it need not wait for the next attempt.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use inotify::{Inotify, WatchMask};

/// A watch on the directory of a socket, or on the nearest one above it that is there.
#[derive(Debug)]
pub struct Arrival(Inotify);

impl Arrival {
    /// Watches for `socket`. It tells of one event; what comes after that takes another watch, maybe on another directory.
    ///
    /// # Errors
    /// When there is no inotify instance or watch left.
    pub fn watch(socket: &Path) -> io::Result<Arrival> {
        let inotify = Inotify::init()?;
        let made = WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::ATTRIB;
        let socket = std::path::absolute(socket)?;
        let mut directories = socket.ancestors().skip(1).peekable();
        while let Some(directory) = directories.next() {
            match inotify.watches().add(directory, made | WatchMask::ONLYDIR) {
                Ok(_) => break,
                Err(e) if directories.peek().is_none() => return Err(e),
                Err(_) => {}
            }
        }
        Ok(Arrival(inotify))
    }
}

impl AsFd for Arrival {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::time::{Duration, Instant};

    use crate::signals::{Signals, Wake};

    fn wakes(arrival: &Arrival, patience: Duration) -> bool {
        let signals = Signals::block().unwrap();
        let deadline = Some(Instant::now() + patience);
        signals.wait(Some(arrival.as_fd()), deadline).unwrap() == Wake::Readable
    }

    #[test]
    fn a_new_socket_wakes() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("nri.sock");
        let arrival = Arrival::watch(&socket).unwrap();
        assert!(!wakes(&arrival, Duration::ZERO));
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(wakes(&arrival, Duration::from_secs(20)));
    }

    /// After a boot the engine makes the directory as well.
    #[test]
    fn a_new_directory_wakes() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("a/b/nri.sock");
        let arrival = Arrival::watch(&socket).unwrap();
        assert!(!wakes(&arrival, Duration::ZERO));
        std::fs::create_dir(directory.path().join("a")).unwrap();
        assert!(wakes(&arrival, Duration::from_secs(20)));
        let arrival = Arrival::watch(&socket).unwrap();
        std::fs::create_dir(directory.path().join("a/b")).unwrap();
        assert!(wakes(&arrival, Duration::from_secs(20)));
    }
}
