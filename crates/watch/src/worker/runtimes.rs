//! The runtimes' programs: which files they are now, and which they are after an upgrade.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};

use crate::adapter::Adapter;
use crate::file_id::FileId;
use crate::program::check_file_system;
use crate::say::say;
use crate::settings::Runtime;
use crate::sys;
use crate::view::is_regular;
use crate::worker::peer::Peer;
use crate::worker::places::{Place, on_the_way};

/// The programs with the files that are marked.
pub struct Runtimes(Mutex<Vec<Entry>>);

struct Entry {
    runtime: Runtime,
    file: Option<FileId>,
}

impl Runtimes {
    /// None of them marked.
    pub fn new(runtimes: &[Runtime]) -> Runtimes {
        let entries = runtimes.iter().map(|runtime| Entry {
            runtime: runtime.clone(),
            file: None,
        });
        Runtimes(Mutex::new(entries.collect()))
    }

    fn with<T>(&self, action: impl FnOnce(&mut Vec<Entry>) -> T) -> T {
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Marks what is there now in place of what was there before.
    pub fn refresh(&self, peer: &Peer) {
        self.with(|entries| {
            for entry in entries {
                entry.refresh(peer);
            }
        });
    }

    /// Whose program a file is.
    pub fn adapter_of(&self, file: FileId) -> Option<&'static Adapter> {
        self.with(|entries| {
            let entry = entries.iter().find(|entry| entry.file == Some(file));
            entry.map(|entry| entry.runtime.adapter)
        })
    }

    /// The files of an adapter's programs.
    pub fn files_of(&self, adapter: &Adapter) -> Vec<FileId> {
        self.with(|entries| {
            let own = entries.iter().filter(|e| e.runtime.adapter == adapter);
            own.filter_map(|entry| entry.file).collect()
        })
    }

    /// The paths at which there is a program.
    pub fn present(&self) -> Vec<PathBuf> {
        self.with(|entries| {
            let marked = entries.iter().filter(|entry| entry.file.is_some());
            marked.map(|entry| entry.runtime.path.clone()).collect()
        })
    }

    /// Where a change may mean another program.
    pub fn places(&self) -> BTreeSet<Place> {
        let paths: Vec<PathBuf> = self.with(|entries| {
            let paths = entries.iter().map(|entry| entry.runtime.path.clone());
            paths.collect()
        });
        paths.iter().flat_map(|path| on_the_way(path)).collect()
    }
}

impl Entry {
    fn refresh(&mut self, peer: &Peer) {
        let path = &self.runtime.path;
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let found = open(path, flags, Mode::empty()).ok().filter(|file| {
            let regular = fstat(file).is_ok_and(|stat| is_regular(stat.st_mode));
            let served = check_file_system(file, path);
            if let Err(error) = &served {
                say(format!("not watched: {error}"));
            }
            regular && served.is_ok()
        });
        let id = found
            .as_ref()
            .and_then(|file| sys::file_id(file.as_fd()).ok());
        if id == self.file {
            return;
        }
        if let (Some(id), Some(file)) = (id, found) {
            peer.mark(id, file, path);
        }
        if let Some(old) = std::mem::replace(&mut self.file, id) {
            peer.unmark(old);
        }
    }
}
