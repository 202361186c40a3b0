//! Hook files that follow their sources while the program runs.

mod merge;
mod watches;
mod way;
mod worker;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::files::HookFiles;
use crate::source::{Source, Sources};
use crate::text::{failed, failed_io};

use watches::Watches;
use worker::Worker;

/// The name of the thread.
const THREAD: &str = "hooks-d-live";

/// Hook files that are read again whenever one of them changes.
///
/// The last good version of each file stays in force while the file is half-written or bad; its problem is among the
/// problems, but not part of the verdict. A deleted file is gone. Directories may appear, vanish and be renamed.
///
/// One thread waits for inotify and does nothing until something happens, unless something is wrong that inotify does not tell
/// the end of: while there is an error or a directory cannot be watched, everything is read again every five seconds. The thread
/// ends when this value is dropped.
#[derive(Debug)]
pub struct Live {
    current: Current,
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

/// What is in force, shared with the thread.
type Current = Arc<RwLock<Arc<HookFiles>>>;

/// Why sources cannot be watched: a system call that failed.
#[derive(Debug, thiserror::Error)]
#[error("watch hook files: {0}")]
pub struct LiveError(String);

impl Live {
    /// Reads the sources and begins to watch them. `on_change` is called on the thread, each time that files, hooks or
    /// problems have changed since.
    ///
    /// # Errors
    /// When there can be no thread. A directory that cannot be watched is among the problems.
    pub fn start(
        sources: Sources,
        on_change: impl Fn(&Arc<HookFiles>) + Send + 'static,
    ) -> Result<Live, LiveError> {
        let sources = absolute(sources).map_err(|e| LiveError(failed_io("getcwd", &e)))?;
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|e: Errno| LiveError(failed("eventfd", e)))?;
        let stop = Arc::new(stop);
        let watches = Watches::new(Arc::clone(&stop));
        let current = Current::default();
        let mut worker = Worker::new(sources, watches, Arc::clone(&current), on_change);
        let (files, due) = worker.read();
        set(&current, Arc::new(files));
        let thread = thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || worker.run(due))
            .map_err(|e| LiveError(failed_io("clone", &e)))?;
        Ok(Live {
            current,
            stop,
            thread: Some(thread),
        })
    }

    /// What is in force now. It stays as it is; ask again for changes.
    pub fn current(&self) -> Arc<HookFiles> {
        get(&self.current)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // The counter is at its limit after 2⁶⁴ - 1 writes.
        let _ = self.stop.write(1);
        let thread = self.thread.take();
        // The callback may own this value.
        if let Some(thread) = thread.filter(|t| t.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

fn get(current: &Current) -> Arc<HookFiles> {
    Arc::clone(&current.read().unwrap_or_else(PoisonError::into_inner))
}

fn set(current: &Current, files: Arc<HookFiles>) {
    *current.write().unwrap_or_else(PoisonError::into_inner) = files;
}

/// The working directory may change later.
fn absolute(mut sources: Sources) -> io::Result<Sources> {
    for (source, _) in &mut sources.list {
        let (Source::Dir(path) | Source::HooksJson(path)) = source;
        *path = std::path::absolute(&*path)?;
    }
    Ok(sources)
}
