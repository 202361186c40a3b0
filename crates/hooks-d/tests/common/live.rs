//! Waiting for hook files that change.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use hooks_d::{HookFiles, Live};

use super::{Tree, container, order};

/// How long a change may take to be seen on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub fn start(tree: &Tree, dirs: &[&str]) -> Live {
    Live::start(tree.sources(dirs), |_| {}).unwrap()
}

pub fn selected(files: &HookFiles) -> Vec<String> {
    order(&files.select(&container(&[], &["sh"])).hooks)
}

pub fn until(live: &Live, what: &str, holds: impl Fn(&HookFiles) -> bool) {
    let began = Instant::now();
    while !holds(&live.current()) {
        assert!(began.elapsed() < DEADLINE, "{what}: {:?}", live.current());
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until exactly these hooks are in force.
#[track_caller]
pub fn until_selected(live: &Live, hooks: &[&str]) {
    until(live, &format!("{hooks:?}"), |files| {
        selected(files) == hooks
    });
}

/// A running thread of this process.
pub fn task(tid: i32) -> String {
    format!("/proc/self/task/{tid}")
}

/// How often a thread has gone to sleep.
pub fn sleeps(tid: i32) -> u64 {
    let status = fs::read_to_string(task(tid) + "/status").unwrap();
    let mut lines = status.lines();
    let line = lines.find(|l| l.starts_with("voluntary_ctxt_switches"));
    let number = line.unwrap().split_whitespace().last().unwrap();
    number.parse().unwrap()
}

/// Writes beside and renames.
pub fn replace(tree: &Tree, name: &str, args: &[&str]) {
    let temporary = tree.hook(&format!("{name}.tmp"), args);
    fs::rename(temporary, tree.path(name)).unwrap();
}
