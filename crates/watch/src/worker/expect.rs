//! Programs that are about to be executed: `run`, and LXC, make a container and start it in one go, so that only the
//! container's own execve can be held.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::adapter::Adapter;
use crate::argv;
use crate::bundle::Config;
use crate::file_id::FileId;
use crate::process::{self, Identity};
use crate::program::Program;
use crate::worker::peer::Peer;

/// How long a program is expected once its runtime says that it runs and the container's process has indeed executed it,
/// before it is taken for one that nobody has seen.
const EXECUTED: Duration = Duration::from_secs(5);
/// The same where the process executes another file: an interpreter, or still the runtime's own on a busy machine.
const UNCLEAR: Duration = Duration::from_secs(30);
/// The same where another watcher holds the program: it lets go at a deadline of its own.
const HELD_ELSEWHERE: Duration = Duration::from_secs(600);

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

#[derive(Default)]
struct All {
    /// The number of the last.
    last: u64,
    entries: Vec<Entry>,
    /// Root directories and ids of those whose program is executed, until somebody knows their containers.
    taken: Vec<(PathBuf, String)>,
}

impl All {
    /// Whether what is expected of a container has been asked for longer than `patience` says, or is not expected at all.
    fn is_overdue(&mut self, root: &Path, id: &str, patience: impl Fn(FileId) -> Duration) -> bool {
        let taken = self.taken.iter().any(|(r, i)| r == root && i == id);
        let mut fresh = false;
        for entry in self.entries.iter_mut().filter(|e| e.expected.is(root, id)) {
            let asked = entry.asked.get_or_insert_with(Instant::now);
            fresh |= asked.elapsed() < patience(entry.program);
        }
        !taken && !fresh
    }
}

impl Expected {
    fn is(&self, root: &Path, id: &str) -> bool {
        self.id == id && self.root == root
    }
}

/// All of them.
#[derive(Default)]
pub struct Expectations(Mutex<All>);

/// A container whose program is executed. Nobody takes it for unseen as long as this is there.
pub struct Taken<'a> {
    all: &'a Expectations,
    key: (PathBuf, String),
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let taken = &mut self.all.lock().taken;
        if let Some(place) = taken.iter().position(|key| *key == self.key) {
            taken.swap_remove(place);
        }
    }
}

impl Expectations {
    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a program; the result is the number of the expectation.
    pub fn add(&self, expected: Expected, program: Program, peer: &Peer) -> u64 {
        let Program { file, id, rootfs } = program;
        let path = PathBuf::from(expected.config.args.first().map_or("", String::as_str));
        let mut all = self.lock();
        all.last += 1;
        let number = all.last;
        all.entries.push(Entry {
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
        let all = self.lock();
        all.entries.iter().any(|entry| entry.program == file)
    }

    /// Takes the container out whose first process executes `file`, if that is what it does.
    pub fn take(
        &self,
        file: FileId,
        executor: &Executor,
        peer: &Peer,
    ) -> Option<(Expected, Taken<'_>)> {
        let mut all = self.lock();
        let fitting = all.entries.iter().enumerate();
        let fitting = fitting.filter(|(_, entry)| entry.program == file);
        let scored = fitting.filter_map(|(place, entry)| Some((executor.fits(entry)?, place)));
        // The better the sign, the older the expectation.
        let (_, place) = scored.min()?;
        let entry = all.entries.remove(place);
        let key = (entry.expected.root.clone(), entry.expected.id.clone());
        all.taken.push(key.clone());
        drop(all);
        peer.unmark(entry.program);
        Some((entry.expected, Taken { all: self, key }))
    }

    /// Gives an expectation up. None: it is not there any more.
    pub fn give_up(&self, number: u64, peer: &Peer) -> Option<Expected> {
        self.remove(|entry| entry.number == number, peer)
    }

    /// For a container that runs as `pid` by what its runtime says: gives up what is expected of it when this has been
    /// asked for long enough. False: not yet. On a busy machine some time lies between the runtime's word and the execution.
    pub fn overdue(&self, root: &Path, id: &str, pid: i32, peer: &Peer) -> bool {
        let overdue = self.lock().is_overdue(root, id, patience_with(pid));
        if overdue {
            self.remove(|entry| entry.expected.is(root, id), peer);
        }
        overdue
    }

    fn remove(&self, is_it: impl Fn(&Entry) -> bool, peer: &Peer) -> Option<Expected> {
        let mut all = self.lock();
        let place = all.entries.iter().position(is_it)?;
        let entry = all.entries.remove(place);
        drop(all);
        peer.unmark(entry.program);
        Some(entry.expected)
    }
}

/// How long the program of the process `pid` is expected, by what the program is.
fn patience_with(pid: i32) -> impl Fn(FileId) -> Duration {
    let executed = process::link_id(pid, "exe").ok();
    let held = argv::is_executing(pid);
    move |program| match executed {
        _ if held => HELD_ELSEWHERE,
        Some(executed) if executed == program => EXECUTED,
        _ => UNCLEAR,
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

    const NO_FILE: FileId = FileId {
        device: 0,
        inode: 0,
    };

    fn expected(root: &str, id: &str) -> Expected {
        Expected {
            adapter: Adapter::named("runc").unwrap(),
            root: root.into(),
            id: id.into(),
            bundle: "/b".into(),
            config: Config::default(),
            maker: Identity { pid: 1, start: 1 },
            namespace: NO_FILE,
        }
    }

    #[test]
    fn what_is_expected_is_overdue_when_it_has_been_asked_for_long_enough() {
        let expectations = Expectations::default();
        let root = Path::new("/r");
        let mut all = expectations.lock();
        let hour = |_| Duration::from_secs(3600);
        assert!(all.is_overdue(root, "c1", hour), "nobody expects it");
        all.entries.push(Entry {
            number: 1,
            expected: expected("/r", "c1"),
            program: NO_FILE,
            rootfs: NO_FILE,
            asked: None,
        });
        assert!(!all.is_overdue(root, "c1", hour));
        assert!(all.entries[0].asked.is_some());
        assert!(all.is_overdue(root, "c1", |_| Duration::ZERO));
        assert!(all.is_overdue(root, "c2", hour) && all.is_overdue(Path::new("/"), "c1", hour));
    }

    /// Between its execution and the moment in which the container is known.
    #[test]
    fn what_is_executed_is_not_overdue() {
        let expectations = Expectations::default();
        let root = Path::new("/r");
        let key = |id: &str| (root.to_owned(), id.to_owned());
        let taken = |id: &str| {
            expectations.lock().taken.push(key(id));
            Taken {
                all: &expectations,
                key: key(id),
            }
        };
        let (one, two) = (taken("c1"), taken("c2"));
        let is_overdue = |id| expectations.lock().is_overdue(root, id, |_| Duration::ZERO);
        assert!(!is_overdue("c1") && !is_overdue("c2"));
        drop(one);
        assert!(is_overdue("c1") && !is_overdue("c2"));
        drop(two);
        assert!(is_overdue("c2"));
    }

    #[test]
    fn a_program_that_runs_is_not_expected_for_long() {
        let pid = std::process::id().cast_signed();
        let patience = patience_with(pid);
        assert_eq!(patience(process::link_id(pid, "exe").unwrap()), EXECUTED);
        assert_eq!(patience(NO_FILE), UNCLEAR);
    }

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
