//! What is in force after a change: what was read, and the last good version of what is bad now.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::directory::order;
use crate::files::{Content, HookFile, HookFiles};
use crate::opened::Version;
use crate::problem::Severity;
use crate::source::{Source, Sources};

/// How long a file must have been empty before that switches it off: one that is being written is empty first.
const SETTLED: Duration = Duration::from_secs(1);

/// Merges one reading after the other.
#[derive(Debug, Default)]
pub struct Merger {
    /// Files that are empty and were not, since when.
    emptied: HashMap<PathBuf, (Version, Instant)>,
}

/// What makes two files versions of one.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    /// A name, in whichever directory it counts.
    Name(OsString),
    Path(PathBuf),
}

impl Merger {
    /// What is in force after `found` was read from `sources` while `before` was in force.
    pub fn merge(
        &mut self,
        sources: &Sources,
        before: &HookFiles,
        found: HookFiles,
        now: Instant,
    ) -> HookFiles {
        let mut merged = found;
        let emptied = std::mem::take(&mut self.emptied);
        let last: HashMap<Key, &HookFile> = before.files.iter().map(|f| (key(f), f)).collect();
        for file in &mut merged.files {
            let last = last.get(&key(file)).map(|last| &last.content);
            if let Some(version) = file.emptied.take() {
                let since = match emptied.get(&file.path) {
                    Some((same, since)) if *same == version => *since,
                    _ => now,
                };
                if let Some(Content::Good(_)) = last
                    && now < since + SETTLED
                {
                    self.emptied.insert(file.path.clone(), (version, since));
                    keep(file, last);
                }
            } else if matches!(file.content, Content::Bad) && !file.gone {
                keep(file, last);
            }
        }
        survive(before, &mut merged, sources);
        merged
    }

    /// When an empty file has been so for long enough.
    pub fn due(&self) -> Option<Instant> {
        self.emptied
            .values()
            .map(|(_, since)| *since + SETTLED)
            .min()
    }
}

fn key(file: &HookFile) -> Key {
    match (&file.source, file.path.file_name()) {
        (Source::Dir(_), Some(name)) => Key::Name(name.to_owned()),
        _ => Key::Path(file.path.clone()),
    }
}

fn keep(file: &mut HookFile, last: Option<&Content>) {
    if let Some(content @ (Content::Good(_) | Content::Disabled)) = last {
        file.content = content.clone();
    }
}

/// Brings back the files of directories that could be read and cannot be read now.
///
/// A file of the same name in a later directory that can be read goes before them, as it does when all can be.
fn survive(before: &HookFiles, merged: &mut HookFiles, sources: &Sources) {
    let rank = |file: &HookFile| sources.list.iter().rposition(|(s, _)| *s == file.source);
    for other in &mut merged.others {
        if other.problem.severity != Severity::Error {
            continue;
        }
        let path = &other.problem.file;
        for file in before.files.iter().filter(|f| f.source.path() == path) {
            if matches!(file.content, Content::Bad) {
                continue;
            }
            other.survived = true;
            let is_later = |found: &HookFile| rank(found) > rank(file);
            let mut same = merged.files.iter().filter(|found| key(found) == key(file));
            if !same.any(is_later) {
                merged.files.retain(|found| key(found) != key(file));
                merged.files.push(file.clone());
            }
        }
    }
    merged.files.sort_by_cached_key(|file| match file.source {
        Source::Dir(_) => (false, file.path.file_name().map(order)),
        Source::HooksJson(_) => (true, None),
    });
}
