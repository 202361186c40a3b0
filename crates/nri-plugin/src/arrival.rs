//! Notices that an engine makes its socket, so that it need not wait for the next attempt.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use inotify::{Inotify, WatchMask};

/// Room for some events; what does not fit only wakes once more.
const BUFFER: usize = 1024;

/// A watch on the directory of a socket.
#[derive(Debug)]
pub struct Arrival(Inotify);

impl Arrival {
    /// Watches the directory of `socket`.
    ///
    /// # Errors
    /// Above all when the directory does not exist yet.
    pub fn watch(socket: &Path) -> io::Result<Arrival> {
        let inotify = Inotify::init()?;
        let directory = socket.parent().unwrap_or(Path::new("/"));
        let made = WatchMask::CREATE | WatchMask::MOVED_TO;
        inotify.watches().add(directory, made | WatchMask::ATTRIB)?;
        Ok(Arrival(inotify))
    }

    /// Forgets what has happened so far.
    pub fn clear(&mut self) {
        let mut buffer = [0; BUFFER];
        // The descriptor does not block: without events this is an error at once, which means the same.
        let _ = self.0.read_events(&mut buffer);
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

    #[test]
    fn a_new_socket_wakes_until_it_is_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("nri.sock");
        let mut arrival = Arrival::watch(&socket).unwrap();
        let signals = Signals::block().unwrap();
        let wait = |arrival: &Arrival, patience| {
            let deadline = Some(Instant::now() + patience);
            signals.wait(Some(arrival.as_fd()), deadline).unwrap()
        };
        assert_eq!(wait(&arrival, Duration::ZERO), Wake::Deadline);
        let _listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(wait(&arrival, Duration::from_secs(20)), Wake::Readable);
        arrival.clear();
        assert_eq!(wait(&arrival, Duration::ZERO), Wake::Deadline);
    }

    #[test]
    fn a_directory_that_is_not_there_cannot_be_watched() {
        assert!(Arrival::watch(Path::new("/nonexistent/nri.sock")).is_err());
    }
}
