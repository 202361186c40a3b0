//! Hook files that follow their sources while the program runs.

mod merge;
mod watches;
mod worker;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::files::HookFiles;
use crate::load::load;
use crate::source::{Source, Sources};
use crate::text::{failed, failed_io};

use merge::Merger;
use watches::Watches;
use worker::Worker;

/// The name of the thread.
const THREAD: &str = "hooks-d-live";

/// Hook files that are read again whenever one of them changes.
///
/// The last good version of each file stays in force while the file is half-written or bad; its problem is among the
/// problems, but not part of the verdict. A deleted file is gone. Directories may appear, vanish and be renamed.
///
/// One thread waits for inotify and does nothing until something happens. It ends when this value is dropped.
#[derive(Debug)]
pub struct Live {
    current: Current,
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

/// What is in force, shared with the thread.
type Current = Arc<RwLock<Arc<HookFiles>>>;

/// Why sources cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// A system call failed.
    #[error("watch hook files: {0}")]
    Call(String),
    /// A directory cannot be watched.
    #[error("watch {path:?}: {reason}")]
    Watch {
        /// The directory.
        path: PathBuf,
        /// What the kernel says.
        reason: String,
    },
}

impl Live {
    /// Reads the sources and begins to watch them. `on_change` is called on the thread, each time that files, hooks or
    /// problems have changed since.
    ///
    /// # Errors
    /// When there can be no thread, no inotify instance, or no watch on a directory that exists.
    pub fn start(
        sources: Sources,
        on_change: impl Fn(&Arc<HookFiles>) + Send + 'static,
    ) -> Result<Live, LiveError> {
        let sources = absolute(sources).map_err(|e| LiveError::Call(failed_io("getcwd", &e)))?;
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|e: Errno| LiveError::Call(failed("eventfd", e)))?;
        let stop = Arc::new(stop);
        let mut watches = Watches::new(Arc::clone(&stop))
            .map_err(|e| LiveError::Call(failed_io("inotify_init1", &e)))?;
        // First the watches: what changes after the reading is then seen.
        if let Some((path, reason)) = watches.refresh(&sources).into_iter().next() {
            return Err(LiveError::Watch { path, reason });
        }
        let mut merger = Merger::default();
        let files = merger.merge(&HookFiles::default(), load(&sources), Instant::now());
        let current: Current = Arc::new(RwLock::new(Arc::new(files)));
        let worker = Worker::new(sources, watches, merger, Arc::clone(&current), on_change);
        let thread = thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || worker.run())
            .map_err(|e| LiveError::Call(failed_io("clone", &e)))?;
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
