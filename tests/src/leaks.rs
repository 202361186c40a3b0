//! Finds what carries a test's marker: processes, mounts, cgroups. Also ends it, so that a failed test leaves nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgroups;
use crate::command::wait_until;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Leaks {
    /// Process ids with their command lines.
    pub processes: Vec<(i32, String)>,
    /// Mount points.
    pub mounts: Vec<PathBuf>,
    /// Directories of the cgroup file system.
    pub cgroups: Vec<PathBuf>,
}

impl Leaks {
    /// Looks for `marker`.
    pub fn find(marker: &str) -> Self {
        Leaks {
            processes: processes(marker),
            mounts: mounts(marker),
            cgroups: cgroups::find(marker),
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Leaks::default()
    }
}

/// What still carries `marker` when there was time to disappear: the kernel takes a while to be done with a killed process.
pub fn left_behind(marker: &str) -> Leaks {
    left_behind_but(marker, |_| ())
}

/// The same without what `forget` removes because it may stay.
pub fn left_behind_but(marker: &str, forget: impl Fn(&mut Leaks)) -> Leaks {
    let mut leaks = Leaks::default();
    wait_until(Duration::from_secs(20), || {
        leaks = Leaks::find(marker);
        forget(&mut leaks);
        leaks.is_empty()
    });
    leaks
}

/// Fails the test when an engine's container has left anything. The parent cgroup, which is named like the marker, and
/// conmon's are the engine's, which leaves them to the next container.
///
/// # Panics
/// With what is left.
#[track_caller]
pub fn assert_none_but_parents(marker: &str) {
    let leaks = left_behind_but(marker, |leaks| {
        leaks
            .cgroups
            .retain(|path| !path.ends_with(marker) && !path.ends_with("conmon"));
    });
    assert!(leaks.is_empty(), "left behind: {leaks:?}");
}

/// Fails the test when anything with `marker` is left.
///
/// # Panics
/// With what is left.
#[track_caller]
pub fn assert_none(marker: &str) {
    let leaks = left_behind(marker);
    assert!(leaks.is_empty(), "left behind: {leaks:?}");
}

/// Ends processes, mounts and cgroups that carry `marker`.
pub fn sweep(marker: &str) {
    wait_until(Duration::from_secs(20), || {
        let found = processes(marker);
        for (pid, _) in &found {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        found.is_empty()
    });
    for point in mounts(marker).iter().rev() {
        let _ = umount2(point, MntFlags::MNT_DETACH);
    }
    for directory in cgroups::find(marker) {
        let _ = fs::remove_dir(directory);
    }
}

/// Living processes (no zombies) whose cgroup, command line, executable or directory carries `marker`.
pub fn processes(marker: &str) -> Vec<(i32, String)> {
    let own = std::process::id().cast_signed();
    let Ok(all) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = all
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok());
    pids.filter(|&pid| pid != own && carries(pid, marker))
        .map(|pid| (pid, command_line(pid)))
        .collect()
}

/// The children of a process, by what /proc says now.
pub fn children(parent: i32) -> Vec<i32> {
    let Ok(all) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = all
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok());
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the command in parentheses: state, then the parent.
        let after = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.split(' ').nth(1).map(str::to_string));
        after.flatten().and_then(|text| text.parse().ok()) == Some(parent)
    };
    pids.filter(is_child).collect()
}

fn carries(pid: i32, marker: &str) -> bool {
    let base = PathBuf::from(format!("/proc/{pid}"));
    let has = |text: &str| text.contains(marker);
    let link = |name: &str| {
        fs::read_link(base.join(name)).is_ok_and(|target| has(&target.to_string_lossy()))
    };
    let marked = has(&command_line(pid))
        || fs::read_to_string(base.join("cgroup")).is_ok_and(|t| has(&t))
        || link("exe")
        || link("cwd")
        || link("root");
    marked && !is_zombie(&base)
}

fn is_zombie(base: &Path) -> bool {
    let stat = fs::read_to_string(base.join("stat")).unwrap_or_default();
    // The state follows the command in parentheses, which may hold anything.
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// Mount points of this mount namespace that carry `marker`.
pub fn mounts(marker: &str) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table
        .lines()
        .filter(|line| line.contains(marker))
        .filter_map(|line| line.split(' ').nth(4));
    points
        .map(|point| PathBuf::from(point.replace("\\040", " ")))
        .collect()
}

/// Every path below `directory`, for a comparison of before and after.
pub fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                open.push(entry.path());
            }
            all.push(entry.path());
        }
    }
    all.sort();
    all
}
