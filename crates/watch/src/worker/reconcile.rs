//! Finds what the gates have missed: containers that were there before, that started while nobody looked, or through a
//! program that is not marked. The runtimes' root directories say so.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use crate::adapter::{Adapter, StateError};
use crate::bundle::Config;
use crate::lxc;
use crate::process::{self, Identity};
use crate::say::say;
use crate::settings::Root;
use crate::view::{ReadError, View};
use crate::worker::memory::Entry;
use crate::worker::places::Place;
use crate::worker::schedule::LOOK_AGAIN;
use crate::worker::watched::{Found, How};
use crate::worker::{Later, Worker, lock};

/// How often the way to the programs is looked up when it changes all the time. The last change has an event.
const MOST_LOOKS: usize = 10;

/// The directories that are watched.
pub struct Directories {
    inotify: Inotify,
    /// A directory may be watched for several things, but has one descriptor.
    watched: Mutex<HashMap<WatchDescriptor, Vec<Watch>>>,
    /// Held while the directories of the programs are found out.
    programs: Mutex<()>,
}

/// What a change in a directory means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Watch {
    /// A root appears or goes.
    Roots(&'static Adapter),
    /// A container appears or goes.
    Root(Root),
    /// A container's record changes.
    Container(Root, String),
    /// A name on the way to a runtime's program means something else.
    Program(OsString),
}

impl Directories {
    /// None yet.
    pub fn new() -> Result<Directories, Errno> {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        Ok(Directories {
            inotify: Inotify::init(flags)?,
            watched: Mutex::default(),
            programs: Mutex::default(),
        })
    }

    /// What to poll.
    pub fn inotify(&self) -> &Inotify {
        &self.inotify
    }

    /// False when it is not there.
    fn watch(&self, path: &Path, watch: Watch) -> bool {
        let changes = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ONLYDIR;
        let mut watched = lock(&self.watched);
        match self.inotify.add_watch(path, changes) {
            Ok(descriptor) => {
                let watches = watched.entry(descriptor).or_default();
                if !watches.contains(&watch) {
                    watches.push(watch);
                }
                true
            }
            Err(Errno::ENOENT | Errno::ENOTDIR) => false,
            Err(errno) => {
                say(format!("inotify_add_watch({}): {errno}", path.display()));
                false
            }
        }
    }

    /// Watches these places and no other for programs. What is missing has just gone.
    fn watch_places(&self, places: &BTreeSet<Place>) {
        for watches in lock(&self.watched).values_mut() {
            watches.retain(|watch| !matches!(watch, Watch::Program(_)));
        }
        for (directory, name) in places {
            self.watch(directory, Watch::Program(name.clone()));
        }
        lock(&self.watched).retain(|descriptor, watches| {
            if watches.is_empty() {
                // Gone with its directory, or not needed any more.
                let _ = self.inotify.rm_watch(*descriptor);
            }
            !watches.is_empty()
        });
    }

    fn is_watched(&self, watch: &Watch) -> bool {
        let watched = lock(&self.watched);
        watched.values().any(|watches| watches.contains(watch))
    }

    /// The roots that are watched.
    fn roots(&self) -> Vec<Root> {
        let watched = lock(&self.watched);
        let roots = watched.values().flatten().filter_map(|watch| match watch {
            Watch::Root(root) => Some(root.clone()),
            _ => None,
        });
        roots.collect()
    }
}

impl Worker {
    /// Marks the programs that are there now, and watches the directories on the way to them.
    pub fn refresh_programs(&self) {
        let _alone = lock(&self.directories.programs);
        let mut places = self.runtimes.places();
        for _ in 0..MOST_LOOKS {
            self.directories.watch_places(&places);
            // What changed before it was watched.
            let now = self.runtimes.places();
            if now == places {
                break;
            }
            places = now;
        }
        // After the watches: whatever comes later has its event.
        self.runtimes.refresh(&self.peer);
    }

    /// Watches a root that was configured: `*` at its end stands for the directories there.
    pub fn watch_configured(&self, root: &Root) {
        let path = &root.path;
        match path.parent() {
            Some(parent) if path.ends_with("*") => {
                self.directories.watch(parent, Watch::Roots(root.adapter));
                for path in subdirectories(parent) {
                    self.watch_root(Root { path, ..*root });
                }
            }
            _ if root.adapter.is_lxc() => {}
            _ => self.watch_root(root.clone()),
        }
    }

    /// Watches a root, the first time with what is in it.
    pub fn watch_root(&self, root: Root) {
        let watch = Watch::Root(root.clone());
        if self.directories.is_watched(&watch) || !self.directories.watch(&root.path, watch) {
            return;
        }
        let (name, path) = (root.adapter.name.to_owned(), root.path.clone());
        self.record(Entry::Root(name, path));
        self.look_into(&root);
    }

    fn look_into(&self, root: &Root) {
        for directory in subdirectories(&root.path) {
            if let Some(id) = directory.file_name().and_then(|name| name.to_str()) {
                self.watch_record(root, id);
                self.later(Later::look(root.adapter, &root.path, id), Duration::ZERO);
            }
        }
    }

    fn watch_record(&self, root: &Root, id: &str) {
        let watch = Watch::Container(root.clone(), id.to_owned());
        self.directories.watch(&root.path.join(id), watch);
    }

    /// Looks for containers everywhere.
    pub fn scan(self: &Arc<Self>) {
        for root in &self.settings.roots {
            self.watch_configured(root);
        }
        for root in self.directories.roots() {
            self.look_into(&root);
        }
        self.look_for_lxc();
    }

    /// Takes the changes of directories.
    pub fn directories_changed(self: &Arc<Self>) {
        loop {
            match self.directories.inotify.read_events() {
                Ok(events) => events
                    .iter()
                    .for_each(|event| self.directory_changed(event)),
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    fn directory_changed(self: &Arc<Self>, event: &InotifyEvent) {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            self.later(Later::Refresh, Duration::ZERO);
            return self.later(Later::Scan, Duration::ZERO);
        }
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            lock(&self.directories.watched).remove(&event.wd);
            return;
        }
        let watches = lock(&self.directories.watched).get(&event.wd).cloned();
        let appeared = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        let appeared = event.mask.intersects(appeared);
        let name = event.name.as_deref();
        for watch in watches.into_iter().flatten() {
            self.noticed(watch, name, appeared);
        }
    }

    fn noticed(self: &Arc<Self>, watch: Watch, name: Option<&OsStr>, appeared: bool) {
        match (watch, name.and_then(OsStr::to_str)) {
            (Watch::Program(program), _) if name == Some(&program) => {
                self.later(Later::Refresh, Duration::ZERO);
            }
            (Watch::Root(root), Some(id)) if appeared => {
                self.watch_record(&root, id);
                self.later(Later::look(root.adapter, &root.path, id), LOOK_AGAIN);
            }
            (Watch::Container(root, id), _) => {
                self.later(Later::look(root.adapter, &root.path, &id), LOOK_AGAIN);
            }
            (Watch::Roots(_), Some(_)) if appeared => self.later(Later::Scan, Duration::ZERO),
            _ => {}
        }
    }

    /// Looks whether a container runs that nobody has noticed.
    pub fn look(self: &Arc<Self>, adapter: &'static Adapter, path: &Path, id: &str) {
        if adapter.is_lxc() {
            return self.look_for_lxc();
        }
        let Ok(view) = View::own() else { return };
        self.watch_root(Root {
            adapter,
            path: path.to_owned(),
        });
        let recorded = match adapter.recorded(&view, path, id) {
            Ok(recorded) if recorded.started => recorded,
            Ok(_) | Err(StateError::Ended(..) | StateError::Read(ReadError::Open(..))) => return,
            Err(error) => return say(format!("{} {id}: {error}", adapter.name)),
        };
        if self.roster.knows(recorded.process) {
            return;
        }
        let pid = recorded.process.pid;
        if !self.expectations.overdue(path, id, pid, &self.peer) {
            return self.later(Later::look(adapter, path, id), LOOK_AGAIN);
        }
        let kept = adapter.kept_config(path, id);
        let file = kept.unwrap_or_else(|| recorded.bundle.join("config.json"));
        self.take_up(Found {
            runtime: adapter.name.to_owned(),
            process: recorded.process,
            id: id.to_owned(),
            config: Config::read(&view, &file),
            bundle: recorded.bundle,
            how: How::Late,
        });
    }

    /// LXC keeps no records: its monitors are found among the processes.
    fn look_for_lxc(self: &Arc<Self>) {
        let Some(adapter) = Adapter::named("lxc-start") else {
            return;
        };
        let files = self.runtimes.files_of(adapter);
        if files.is_empty() {
            return;
        }
        for monitor in process::all() {
            if process::link_id(monitor, "exe").is_ok_and(|id| files.contains(&id)) {
                self.look_at_monitor(adapter, monitor);
            }
        }
    }

    fn look_at_monitor(self: &Arc<Self>, adapter: &'static Adapter, monitor: i32) {
        let Some(argv) = process::arguments(monitor) else {
            return;
        };
        let (Some(init), Ok(view)) = (lxc::init_of(monitor), View::of(monitor)) else {
            return;
        };
        let directory = process::directory(monitor).unwrap_or_else(|| "/".into());
        let place = lxc::Place {
            view: &view,
            directory: &view.inside(&directory),
        };
        let mut request = None;
        let (root, id) = match lxc::monitored(&argv) {
            Some(found) => found,
            None => {
                let Some(found) = adapter.request(&argv) else {
                    return;
                };
                let root = match &found.root {
                    Some(root) => view.canonical(&place.directory.join(root)),
                    None => {
                        let user = process::status(monitor).map_or(0, |status| status.user);
                        adapter.default_root(&view, user)
                    }
                };
                let names = (root, found.id.clone());
                request = Some(found);
                names
            }
        };
        let Some(process) = Identity::of(init).filter(|process| !self.roster.knows(*process))
        else {
            return;
        };
        let bundle = root.join(&id);
        if lxc::is_lxcris(&view, &bundle) {
            return;
        }
        // Still LXC itself: the program has not been executed.
        let same = process::link_id(init, "exe") == process::link_id(monitor, "exe");
        if same || !self.expectations.overdue(&root, &id, init, &self.peer) {
            return self.later(Later::look(adapter, &root, &id), LOOK_AGAIN);
        }
        let request = request.unwrap_or_else(|| crate::request::Request::of_lxc(&root, &id));
        self.take_up(Found {
            runtime: adapter.name.to_owned(),
            process,
            id,
            config: lxc::read(&place, &request, &bundle),
            bundle,
            how: How::Late,
        });
    }
}

fn subdirectories(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).collect()
}
