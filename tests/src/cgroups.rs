//! The machine's cgroup layout, and private mount namespaces in which it looks like another one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

const ROOT: &str = "/sys/fs/cgroup";
/// The v2 hierarchy of a hybrid machine.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// How cgroups are mounted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// v1 hierarchies only.
    V1,
    /// The unified hierarchy at the top.
    V2,
    /// v1 hierarchies and the unified one beside them.
    Hybrid,
    /// Nothing is mounted.
    None,
}

impl Layout {
    /// The layout of the machine.
    pub fn of_host() -> Self {
        let root = Path::new(ROOT);
        match (
            root.join("cgroup.controllers").exists(),
            root.join("unified/cgroup.controllers").exists(),
        ) {
            (true, _) => Layout::V2,
            (_, true) => Layout::Hybrid,
            _ if root.join("devices").exists() || root.join("memory").exists() => Layout::V1,
            _ => Layout::None,
        }
    }
}

/// A mount namespace in which the hybrid layout looks like `layout`.
///
/// # Errors
/// The failed step, as unshare, mount or umount say it.
pub fn view(layout: Layout) -> io::Result<Arc<OwnedFd>> {
    // A thread of its own is unshared, so that nobody else in the process is.
    let thread = std::thread::spawn(move || -> io::Result<OwnedFd> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
        match layout {
            Layout::V1 => umount2(UNIFIED, MntFlags::MNT_DETACH)?,
            Layout::V2 => {
                // Not mounted anew: that would take away the options of the machine's one hierarchy.
                // Kept, so that nothing is removed below it while cgroups are there.
                let aside = tempfile::tempdir()?.keep();
                mount(Some(UNIFIED), &aside, none, MsFlags::MS_BIND, none)?;
                umount2(ROOT, MntFlags::MNT_DETACH)?;
                mount(Some(&aside), ROOT, none, MsFlags::MS_MOVE, none)?;
                fs::remove_dir(aside)?;
            }
            Layout::Hybrid | Layout::None => return Err(io::Error::other("no such view")),
        }
        Ok(File::open("/proc/thread-self/ns/mnt")?.into())
    });
    thread
        .join()
        .map_err(|_| io::Error::other("the thread that makes the view panicked"))?
        .map(Arc::new)
}

/// The directories of the cgroup file system whose path holds `marker`, innermost first.
pub fn find(marker: &str) -> Vec<PathBuf> {
    fn walk(directory: &Path, marker: &str, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(directory) else {
            return;
        };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                walk(&entry.path(), marker, found);
                if entry.path().to_string_lossy().contains(marker) {
                    found.push(entry.path());
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(ROOT), marker, &mut found);
    found
}

/// The hierarchies that are there in `layout`, by controller: its mount point on the host. v2 has the single name "".
pub fn hierarchies(layout: Layout) -> BTreeMap<String, PathBuf> {
    let mut all = BTreeMap::new();
    for line in fs::read_to_string("/proc/self/mountinfo")
        .unwrap_or_default()
        .lines()
    {
        let Some((before, after)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(point), mut after) = (before.split(' ').nth(4), after.split(' ')) else {
            continue;
        };
        match after.next() {
            Some("cgroup2") if layout != Layout::V1 => {
                all.insert(String::new(), PathBuf::from(point));
            }
            Some("cgroup") if layout != Layout::V2 => {
                let options = after.nth(1).unwrap_or_default();
                // The first word is rw or ro.
                options.split(',').skip(1).for_each(|name| {
                    all.insert(name.to_string(), PathBuf::from(point));
                });
            }
            _ => {}
        }
    }
    all
}

/// The directory of a container where its limits of `controller` are, and whether that is v1.
pub fn directory(layout: Layout, id: &str, controller: &str) -> Option<(PathBuf, bool)> {
    let all = hierarchies(layout);
    if let Some(point) = all.get(controller) {
        return Some((point.join(id), true));
    }
    let point = all.get("")?;
    let controllers = fs::read_to_string(point.join("cgroup.controllers")).unwrap_or_default();
    controllers
        .split_whitespace()
        .any(|c| c == controller)
        .then(|| (point.join(id), false))
}
