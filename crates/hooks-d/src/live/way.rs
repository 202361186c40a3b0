//! The way to a source, step by step: what has to be watched so that its path never leads elsewhere unseen.
//!
//! A directory of a way that is there is watched for being moved alone. It cannot vanish before what is in it does, so that
//! names matter in two directories only: the last one that is there, and the one above that. Nothing wakes up for what others
//! do in /etc or /tmp.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::FileType;
use std::path::{Component, Path, PathBuf};

use inotify::WatchMask;

/// Symlinks that are followed, as many as the kernel does.
const LINKS_MAX: usize = 40;

/// The directory is another one than before.
const MOVED: WatchMask = WatchMask::MOVE_SELF.union(WatchMask::DELETE_SELF);
/// The symlink is another one than before. ATTRIB tells of its deletion at once.
const EXCHANGED: WatchMask = MOVED.union(WatchMask::ATTRIB);
/// A name appears.
const APPEARS: WatchMask = WatchMask::CREATE.union(WatchMask::MOVED_TO);
/// A name that is there vanishes, or becomes another file's. The directory of that name need not say so itself, as it lives on
/// while somebody works in it.
const VANISHES: WatchMask = WatchMask::DELETE.union(WatchMask::MOVED_TO);
/// What can change files and who may write to them. Writers are done when they close a file.
const CONTENT: WatchMask = WatchMask::CREATE
    .union(WatchMask::MOVE)
    .union(WatchMask::DELETE)
    .union(WatchMask::CLOSE_WRITE)
    .union(WatchMask::ATTRIB)
    .union(MOVED);

/// Which names in a directory matter.
#[derive(Clone, Copy, Debug)]
pub enum Names<'a> {
    /// None, only what happens to the directory or symlink itself.
    Itself,
    /// This one.
    One(&'a OsStr),
    /// All of them.
    All,
}

/// What watches are put on.
pub trait Watcher {
    /// Watches what stands at the path itself, symlinks not followed. What is not there, or may not be read, is left out; the way
    /// shows it.
    fn step(&mut self, path: &Path, names: Names<'_>, mask: WatchMask);

    /// Watches a source. It is reported when that is not possible.
    fn source(&mut self, path: &Path, names: Names<'_>, mask: WatchMask);
}

/// What a way leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// A directory whose files all matter.
    Directory,
    /// One file.
    File,
}

/// Watches the way to `path` and its end. Absolute symlinks start at `root`, and nothing leads out of it. The result is the
/// directory that has been reached, without symlinks, if that was the goal.
///
/// What comes next is looked at when the watch that tells of its change is there already.
pub fn watch(root: &Path, path: &Path, goal: Goal, watcher: &mut dyn Watcher) -> Option<PathBuf> {
    let mut way = Way {
        root,
        at: root.to_owned(),
        left: VecDeque::new(),
        links: 0,
    };
    way.go_on(path.strip_prefix(root).unwrap_or(path));
    while let Some(name) = way.left.pop_front() {
        if name == ".." {
            way.up();
            continue;
        }
        let next = way.at.join(&name);
        let found = kind(&next);
        match found {
            Some(kind) if kind.is_symlink() && way.links < LINKS_MAX => {
                watcher.step(&next, Names::Itself, EXCHANGED);
            }
            Some(kind) if kind.is_dir() => watcher.step(&next, Names::Itself, MOVED),
            Some(kind) if kind.is_file() && goal == Goal::File && way.left.is_empty() => {
                watcher.source(&way.at, Names::One(&name), CONTENT);
            }
            _ => watcher.step(&way.at, Names::One(&name), APPEARS.union(VANISHES)),
        }
        if kind(&next) != found {
            // It has become something else before there was a watch.
            way.left.push_front(name);
            continue;
        }
        match found {
            Some(kind) if kind.is_symlink() && way.links < LINKS_MAX => way.follow(&next),
            Some(kind) if kind.is_dir() => way.at = next,
            _ => {
                way.keep(watcher);
                return None;
            }
        }
    }
    match goal {
        Goal::Directory => watcher.source(&way.at, Names::All, CONTENT),
        // A directory in place of a file: what is in it does not matter.
        Goal::File => {}
    }
    way.keep(watcher);
    (goal == Goal::Directory).then_some(way.at)
}

struct Way<'a> {
    root: &'a Path,
    /// What has been reached: a directory, without symlinks.
    at: PathBuf,
    /// Names that are left to go.
    left: VecDeque<OsString>,
    links: usize,
}

impl Way<'_> {
    /// Goes along `path` before anything else that is left.
    fn go_on(&mut self, path: &Path) {
        for component in path.components().rev() {
            match component {
                Component::Normal(name) => self.left.push_front(name.to_owned()),
                Component::ParentDir => self.left.push_front("..".into()),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }

    fn follow(&mut self, link: &Path) {
        self.links += 1;
        let target = match std::fs::read_link(link) {
            Ok(target) => target,
            // It has become something else.
            Err(_) => link.file_name().unwrap_or_default().into(),
        };
        if target.is_absolute() {
            self.at = self.root.to_owned();
        }
        self.go_on(&target);
    }

    fn up(&mut self) {
        if self.at != self.root {
            self.at.pop();
        }
    }

    /// Watches the place of the directory that has been reached.
    fn keep(&self, watcher: &mut dyn Watcher) {
        if self.at == self.root {
            return;
        }
        if let (Some(above), Some(name)) = (self.at.parent(), self.at.file_name()) {
            watcher.step(above, Names::One(name), VANISHES);
        }
    }
}

fn kind(path: &Path) -> Option<FileType> {
    Some(std::fs::symlink_metadata(path).ok()?.file_type())
}
