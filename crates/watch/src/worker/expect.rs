//! Programs that are about to be executed: `run`, and LXC, make a container and start it in one go, so that only the
//! container's own execve can be held.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::adapter::Adapter;
use crate::bundle::Config;
use crate::file_id::FileId;
use crate::process::{self, Identity};
use crate::program::Program;
use crate::worker::peer::Peer;

/// A container that a runtime is making.
#[derive(Debug)]
pub struct Expected {
    /// The runtime.
    pub adapter: &'static Adapter,
    /// Its root directory.
    pub root: PathBuf,
    /// The container's id.
    pub id: String,
    /// Its bundle.
    pub bundle: PathBuf,
    /// Its configuration.
    pub config: Config,
    /// The process that makes it.
    pub maker: Identity,
    /// The mount namespace of that.
    pub namespace: FileId,
}

struct Entry {
    number: u64,
    expected: Expected,
    program: FileId,
    rootfs: FileId,
    /// When it was first asked for although its program had not been executed.
    asked: Option<Instant>,
}

/// All of them.
#[derive(Default)]
pub struct Expectations(Mutex<(u64, Vec<Entry>)>);

impl Expectations {
    fn lock(&self) -> MutexGuard<'_, (u64, Vec<Entry>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a program; the result is the number of the expectation.
    pub fn add(&self, expected: Expected, program: Program, peer: &Peer) -> u64 {
        let Program { file, id, rootfs } = program;
        let path = PathBuf::from(expected.config.args.first().map_or("", String::as_str));
        let mut all = self.lock();
        all.0 += 1;
        let number = all.0;
        all.1.push(Entry {
            number,
            expected,
            program: id,
            rootfs,
            asked: None,
        });
        drop(all);
        peer.mark(id, file, &path);
        number
    }

    /// Whether a file is somebody's program.
    pub fn awaits(&self, file: FileId) -> bool {
        self.lock().1.iter().any(|entry| entry.program == file)
    }

    /// Takes the container out whose first process executes `file`, if that is what it does.
    pub fn take(&self, file: FileId, executor: &Executor, peer: &Peer) -> Option<Expected> {
        let mut all = self.lock();
        let fitting = all.1.iter().enumerate();
        let fitting = fitting.filter(|(_, entry)| entry.program == file);
        let scored = fitting.filter_map(|(place, entry)| Some((executor.fits(entry)?, place)));
        // The better the sign, the older the expectation.
        let (_, place) = scored.min()?;
        let entry = all.1.remove(place);
        drop(all);
        peer.unmark(entry.program);
        Some(entry.expected)
    }

    /// Gives an expectation up. None: it is not there any more.
    pub fn give_up(&self, number: u64, peer: &Peer) -> Option<Expected> {
        self.remove(|entry| entry.number == number, peer)
    }

    /// For a container that runs by what its runtime says: gives up what is expected of it when this has been asked for
    /// longer than `patience`. False: not yet. On a busy machine some time lies between the runtime's word and the execution.
    pub fn overdue(&self, root: &Path, id: &str, patience: Duration, peer: &Peer) -> bool {
        let is_it = |entry: &Entry| entry.expected.id == id && entry.expected.root == root;
        let mut all = self.lock();
        let mut fresh = false;
        for entry in all.1.iter_mut().filter(|entry| is_it(entry)) {
            fresh |= entry.asked.get_or_insert_with(Instant::now).elapsed() < patience;
        }
        drop(all);
        if fresh {
            return false;
        }
        self.remove(is_it, peer);
        true
    }

    fn remove(&self, is_it: impl Fn(&Entry) -> bool, peer: &Peer) -> Option<Expected> {
        let mut all = self.lock();
        let place = all.1.iter().position(is_it)?;
        let entry = all.1.remove(place);
        drop(all);
        peer.unmark(entry.program);
        Some(entry.expected)
    }
}

/// How sure it is that an execution is the expected one, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    /// The runtime is an ancestor.
    Ancestor,
    /// The root file system and the cgroup are the container's.
    RootAndCgroup,
    /// The root file system is the container's.
    Root,
}

/// A process that executes a marked program.
pub struct Executor {
    pid: i32,
    status: process::Status,
    namespace: FileId,
    root: FileId,
    cgroups: Vec<String>,
}

impl Executor {
    /// The facts about the thread `tid`; none when it has ended.
    pub fn of(tid: i32) -> Option<Executor> {
        let status = process::status(tid)?;
        Some(Executor {
            pid: status.process,
            namespace: process::link_id(tid, "ns/mnt").ok()?,
            root: process::link_id(tid, "root").ok()?,
            cgroups: process::cgroups(tid),
            status,
        })
    }

    /// Its process.
    pub fn process(&self) -> i32 {
        self.pid
    }

    fn fits(&self, entry: &Entry) -> Option<Sign> {
        let expected = &entry.expected;
        // A container's first process and not one of its hooks, in the container and not on its way there.
        if self.namespace == expected.namespace
            || (expected.config.own_pids && self.status.inner_pid.0 != 1)
        {
            return None;
        }
        if process::descends_from(self.pid, expected.maker.pid) {
            return Some(Sign::Ancestor);
        }
        if self.root != entry.rootfs {
            return None;
        }
        let name = expected.config.cgroup.as_deref().unwrap_or(&expected.id);
        let named = |path: &String| path.split('/').any(|component| is_named(component, name));
        match self.cgroups.iter().any(named) {
            true => Some(Sign::RootAndCgroup),
            false => Some(Sign::Root),
        }
    }
}

/// `NAME`, `prefix-NAME.scope` of systemd, or `lxc.payload.NAME`.
fn is_named(component: &str, name: &str) -> bool {
    let component = component.strip_suffix(".scope").unwrap_or(component);
    match component.strip_suffix(name) {
        Some(rest) => rest.is_empty() || rest.ends_with(['-', '.']),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_of_containers() {
        for component in ["c1", "crio-c1.scope", "lxc.payload.c1", "docker-c1.scope"] {
            assert!(is_named(component, "c1"), "{component}");
        }
        for component in ["xc1", "c1x", "c11", "", "init.scope"] {
            assert!(!is_named(component, "c1"), "{component}");
        }
    }
}
