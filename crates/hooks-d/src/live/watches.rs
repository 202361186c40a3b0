//! inotify on all directories whose changes can change hooks, and waiting for it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inotify::{Event, EventMask, Inotify, WatchDescriptor, WatchMask};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;

use crate::source::{Source, Sources};
use crate::text::failed_io;

/// Room for some hundred events.
const BUFFER: usize = 16 << 10;

/// What can make a path lead elsewhere.
const WAY: WatchMask = WatchMask::CREATE
    .union(WatchMask::MOVE)
    .union(WatchMask::DELETE)
    .union(WatchMask::DELETE_SELF)
    .union(WatchMask::MOVE_SELF);
/// What can change files and who may write to them. Writers are done when they close a file.
const CONTENT: WatchMask = WatchMask::CLOSE_WRITE.union(WatchMask::ATTRIB);

/// The inotify instance and what it watches.
pub struct Watches {
    inotify: Inotify,
    interests: BTreeMap<PathBuf, Watch>,
    stop: Arc<EventFd>,
}

/// A watched directory.
struct Watch {
    descriptor: WatchDescriptor,
    interest: Interest,
}

/// Which names of a directory matter.
#[derive(Clone, Debug, Default)]
struct Interest {
    /// Every name, and the directory itself: it is a source.
    all: bool,
    /// These names: directories or files on the way to a source.
    names: BTreeSet<OsString>,
}

/// Why a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The thread is to end.
    Stop,
    /// The time is over.
    Time,
    /// Something has happened that may have changed hooks.
    Changed,
    /// Something has happened elsewhere.
    Other,
}

impl Watches {
    pub fn new(stop: Arc<EventFd>) -> io::Result<Watches> {
        Ok(Watches {
            inotify: Inotify::init()?,
            interests: BTreeMap::new(),
            stop,
        })
    }

    /// Watches the directories of the sources as they are now, and all above them up to the root, so that those that are
    /// missing are seen when they appear. The result names what cannot be watched and why.
    pub fn refresh(&mut self, sources: &Sources) -> Vec<(PathBuf, String)> {
        let before = std::mem::take(&mut self.interests);
        let mut problems = Vec::new();
        for (source, _) in &sources.list {
            match source {
                Source::Dir(dir) => {
                    self.watch_source(dir, None, &mut problems);
                    for (target, name) in targets(dir) {
                        self.watch_source(&target, Some(&name), &mut problems);
                    }
                }
                Source::HooksJson(file) => {
                    if let (Some(dir), Some(name)) = (file.parent(), file.file_name()) {
                        self.watch_source(dir, Some(name), &mut problems);
                    }
                }
            }
        }
        for (path, watch) in before {
            let is_used = |w: &Watch| w.descriptor == watch.descriptor;
            if !self.interests.contains_key(&path) && !self.interests.values().any(is_used) {
                // It is gone already when the directory is.
                let _ = self.inotify.watches().remove(watch.descriptor);
            }
        }
        problems
    }

    /// Watches a directory for one name in it or for all, and the way to it, from above: what appears meanwhile is either
    /// seen by the watch above it or there already.
    fn watch_source(
        &mut self,
        dir: &Path,
        name: Option<&OsStr>,
        problems: &mut Vec<(PathBuf, String)>,
    ) {
        let mut way: Vec<&Path> = dir.ancestors().skip(1).collect();
        way.reverse();
        let mut below = dir.components().skip(1);
        for ancestor in way {
            let next = below.next().map(|c| c.as_os_str());
            match self.add(ancestor, next, WAY) {
                Ok(true) => {}
                Ok(false) => return,
                // One may be allowed to pass and not to read.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
                Err(e) => {
                    problems.push((ancestor.to_owned(), failed_io("inotify_add_watch", &e)));
                    return;
                }
            }
        }
        if let Err(e) = self.add(dir, name, WAY.union(CONTENT)) {
            problems.push((dir.to_owned(), failed_io("inotify_add_watch", &e)));
        }
    }

    /// Watches a directory, for one name in it or for all. Whether there is such a directory.
    fn add(&mut self, dir: &Path, name: Option<&OsStr>, mask: WatchMask) -> io::Result<bool> {
        let mask = mask | WatchMask::ONLYDIR | WatchMask::MASK_ADD;
        let descriptor = match self.inotify.watches().add(dir, mask) {
            Ok(descriptor) => descriptor,
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(false);
            }
            Err(e) => return Err(e),
        };
        let watch = self.interests.entry(dir.to_owned()).or_insert(Watch {
            descriptor,
            interest: Interest::default(),
        });
        match name {
            Some(name) => {
                watch.interest.names.insert(name.to_owned());
            }
            None => watch.interest.all = true,
        }
        Ok(true)
    }

    /// Waits until something happens, at the latest until `until`.
    pub fn wait(&mut self, until: Option<Instant>) -> Result<Woken, Errno> {
        let timeout = match until {
            None => PollTimeout::NONE,
            Some(until) => milliseconds(until.saturating_duration_since(Instant::now())),
        };
        let mut fds = [
            PollFd::new(self.stop.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, timeout) {
            Ok(0) => return Ok(Woken::Time),
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Woken::Other),
            Err(errno) => return Err(errno),
        }
        let [stop, events] = fds.map(|fd| fd.any().unwrap_or(false));
        Ok(if stop {
            Woken::Stop
        } else if events && self.read()? {
            Woken::Changed
        } else {
            Woken::Other
        })
    }

    /// Takes the events that are there. Whether one of them matters.
    fn read(&mut self) -> Result<bool, Errno> {
        let mut buffer = [0; BUFFER];
        match self.inotify.read_events(&mut buffer) {
            Ok(mut events) => {
                let interests = &self.interests;
                Ok(events.any(|event| matters(interests, &event)))
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(e) => Err(e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
        }
    }
}

fn matters(interests: &BTreeMap<PathBuf, Watch>, event: &Event<&OsStr>) -> bool {
    // Events were lost: anything may have happened.
    if event.mask.contains(EventMask::Q_OVERFLOW) {
        return true;
    }
    let mut watches = interests.values().filter(|w| w.descriptor == event.wd);
    watches.any(|watch| match event.name {
        Some(name) => watch.interest.all || watch.interest.names.contains(name),
        // Something happened to the directory itself. Its end as a watched one follows from what we did or saw before.
        None => event.mask != EventMask::IGNORED,
    })
}

/// Rounded up, so that a wait that ends in time is not followed by another.
fn milliseconds(time: Duration) -> PollTimeout {
    let milliseconds = time.as_nanos().div_ceil(1_000_000);
    i32::try_from(milliseconds)
        .ok()
        .and_then(|ms| PollTimeout::try_from(ms).ok())
        .unwrap_or(PollTimeout::MAX)
}

/// The files that symlinks of a directory lead to, as directory and name.
fn targets(dir: &Path) -> Vec<(PathBuf, OsString)> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()))
        .filter_map(|entry| std::fs::canonicalize(entry.path()).ok())
        .filter(|target| target.is_file())
        .filter_map(|target| Some((target.parent()?.to_owned(), target.file_name()?.to_owned())))
        .collect()
}
