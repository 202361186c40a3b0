//! inotify on all files and directories whose changes can change hooks, and waiting for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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

use super::way::{self, Goal, Names, Watcher};
use crate::below::on_host;
use crate::source::{Source, Sources};
use crate::text::failed_io;

/// Room for some hundred events.
const BUFFER: usize = 16 << 10;

/// The inotify instance and what it watches.
pub struct Watches {
    /// Absent while the system has none left.
    inotify: Option<Inotify>,
    watched: BTreeMap<PathBuf, Watch>,
    stop: Arc<EventFd>,
}

/// What is watched under a path.
struct Watch {
    descriptor: WatchDescriptor,
    mask: WatchMask,
    /// Every name in it matters.
    all: bool,
    /// These names matter.
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
    /// Nothing is watched before the first [`Watches::refresh`].
    pub fn new(stop: Arc<EventFd>) -> Watches {
        Watches {
            inotify: None,
            watched: BTreeMap::new(),
            stop,
        }
    }

    /// Watches the sources as they are now, and the ways to them, so that those that are missing are seen when they appear. The
    /// result names what cannot be watched and why.
    pub fn refresh(&mut self, sources: &Sources) -> Vec<(PathBuf, String)> {
        if self.inotify.is_none() {
            match Inotify::init() {
                Ok(inotify) => self.inotify = Some(inotify),
                Err(e) => {
                    let reason = failed_io("inotify_init1", &e);
                    let paths = sources.list.iter().map(|(source, _)| source.path());
                    return paths
                        .map(|path| (path.to_owned(), reason.clone()))
                        .collect();
                }
            }
        }
        let Some(inotify) = &self.inotify else {
            return Vec::new();
        };
        let mut round = Round {
            inotify,
            watched: BTreeMap::new(),
            problems: Vec::new(),
        };
        for (source, _) in &sources.list {
            round.follow(source, sources.host_root.as_deref());
        }
        let Round {
            watched, problems, ..
        } = round;
        let before = std::mem::replace(&mut self.watched, watched);
        self.forget(before);
        problems
    }

    /// Ends what is watched no more, and narrows what is watched for less.
    fn forget(&self, before: BTreeMap<PathBuf, Watch>) {
        let Some(inotify) = &self.inotify else { return };
        let mut wanted: HashMap<&WatchDescriptor, WatchMask> = HashMap::new();
        for watch in self.watched.values() {
            let mask = wanted.entry(&watch.descriptor).or_insert(watch.mask);
            *mask |= watch.mask;
        }
        for (path, old) in before {
            match wanted.get(&old.descriptor) {
                // It is gone already when the directory is.
                None => drop(inotify.watches().remove(old.descriptor)),
                Some(mask) if !mask.contains(old.mask) => {
                    // The path may lead elsewhere by now, of which there is an event.
                    drop(inotify.watches().add(path, *mask | WatchMask::DONT_FOLLOW));
                }
                Some(_) => {}
            }
        }
    }

    /// Waits until something happens, at the latest until `until`.
    pub fn wait(&mut self, until: Option<Instant>) -> Result<Woken, Errno> {
        let timeout = match until {
            None => PollTimeout::NONE,
            Some(until) => milliseconds(until.saturating_duration_since(Instant::now())),
        };
        let mut fds = vec![PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
        let events = self.inotify.iter();
        fds.extend(events.map(|inotify| PollFd::new(inotify.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, timeout) {
            Ok(0) => return Ok(Woken::Time),
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Woken::Other),
            Err(errno) => return Err(errno),
        }
        if fds.first().and_then(PollFd::any) == Some(true) {
            return Ok(Woken::Stop);
        }
        Ok(if self.read()? {
            Woken::Changed
        } else {
            Woken::Other
        })
    }

    /// Takes the events that are there. Whether one of them matters.
    fn read(&mut self) -> Result<bool, Errno> {
        let Some(inotify) = &mut self.inotify else {
            return Ok(false);
        };
        let mut buffer = [0; BUFFER];
        match inotify.read_events(&mut buffer) {
            Ok(mut events) => {
                let watched = &self.watched;
                Ok(events.any(|event| matters(watched, &event)))
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(e) => Err(e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
        }
    }
}

/// One putting up of all watches.
struct Round<'a> {
    inotify: &'a Inotify,
    watched: BTreeMap<PathBuf, Watch>,
    problems: Vec<(PathBuf, String)>,
}

impl Round<'_> {
    fn follow(&mut self, source: &Source, host_root: Option<&Path>) {
        let path = source.path();
        let root = on_host(path, host_root).map_or(Path::new("/"), |(root, _)| root);
        match source {
            Source::HooksJson(_) => {
                way::watch(root, path, Goal::File, self);
            }
            Source::Dir(_) => {
                let directory = way::watch(root, path, Goal::Directory, self);
                for link in directory.map(links).unwrap_or_default() {
                    way::watch(root, &link, Goal::File, self);
                }
            }
        }
    }

    fn add(&mut self, path: &Path, names: Names<'_>, mask: WatchMask) -> io::Result<()> {
        if !self
            .watched
            .get(path)
            .is_some_and(|w| w.mask.contains(mask))
        {
            let flags = WatchMask::DONT_FOLLOW | WatchMask::MASK_ADD;
            let descriptor = self.inotify.watches().add(path, mask | flags)?;
            let watch = self.watched.entry(path.to_owned()).or_insert(Watch {
                descriptor: descriptor.clone(),
                mask,
                all: false,
                names: BTreeSet::new(),
            });
            watch.descriptor = descriptor;
            watch.mask |= mask;
        }
        if let Some(watch) = self.watched.get_mut(path) {
            match names {
                Names::Itself => {}
                Names::One(name) => drop(watch.names.insert(name.to_owned())),
                Names::All => watch.all = true,
            }
        }
        Ok(())
    }
}

impl Watcher for Round<'_> {
    fn step(&mut self, path: &Path, names: Names<'_>, mask: WatchMask) {
        match self.add(path, names, mask) {
            Ok(()) => {}
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::NotADirectory
                        // One may be allowed to pass and not to read.
                        | io::ErrorKind::PermissionDenied
                ) => {}
            Err(e) => self.problems.push((path.to_owned(), refused(&e))),
        }
    }

    fn source(&mut self, path: &Path, names: Names<'_>, mask: WatchMask) {
        if let Err(e) = self.add(path, names, mask) {
            self.problems.push((path.to_owned(), refused(&e)));
        }
    }
}

fn refused(error: &io::Error) -> String {
    failed_io("inotify_add_watch", error)
}

fn matters(watched: &BTreeMap<PathBuf, Watch>, event: &Event<&OsStr>) -> bool {
    // Events were lost: anything may have happened.
    if event.mask.contains(EventMask::Q_OVERFLOW) {
        return true;
    }
    let mut watches = watched.values().filter(|w| w.descriptor == event.wd);
    watches.any(|watch| match event.name {
        Some(name) => watch.all || watch.names.contains(name),
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

/// The symlinks in a directory.
fn links(dir: PathBuf) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()))
        .map(|entry| entry.path())
        .collect()
}
