//! Reads the mount table that the probe has seen in a container.

use serde_json::Value;

use crate::bundle::Bundle;
use crate::probe::Record;

/// The error number of a write to something read-only.
pub const EROFS: i64 = 30;

/// One line of mountinfo.
#[derive(Debug)]
pub struct Mount {
    /// Options of the mount.
    pub options: Vec<String>,
    /// Kinds of propagation, without the numbers of the peer groups.
    pub tags: Vec<String>,
    /// Type of the file system.
    pub kind: String,
    /// Options of the file system.
    pub superblock: Vec<String>,
}

/// The topmost mount at a path of the container.
///
/// # Panics
/// When nothing is mounted there.
#[track_caller]
pub fn mount(record: &Record, path: &str) -> Mount {
    let table = record.file("/proc/self/mountinfo").unwrap_or_default();
    let words = |text: &str| text.split(',').map(str::to_string).collect();
    let found = table.lines().rev().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let (before, after): (Vec<&str>, Vec<&str>) =
            (before.split(' ').collect(), after.split(' ').collect());
        (before.get(4) == Some(&path)).then(|| Mount {
            options: words(before[5]),
            tags: before[6..]
                .iter()
                .map(|t| t.split(':').next().unwrap_or_default().to_string())
                .collect(),
            kind: after[0].to_string(),
            superblock: words(after[2]),
        })
    });
    found.unwrap_or_else(|| panic!("nothing is mounted at {path}:\n{table}"))
}

impl Mount {
    /// Fails the test unless the mount has all these options.
    ///
    /// # Panics
    /// With the mount that lacks one.
    #[track_caller]
    pub fn has(&self, options: &[&str]) -> &Self {
        for option in options {
            assert!(
                self.options.iter().any(|o| o == option),
                "no {option}: {self:?}"
            );
        }
        self
    }
}

/// Adds mounts to a bundle.
pub fn add_mounts(bundle: &mut Bundle<'_>, mounts: &[Value]) {
    if let Some(list) = bundle.config["mounts"].as_array_mut() {
        list.extend(mounts.iter().cloned());
    }
}
