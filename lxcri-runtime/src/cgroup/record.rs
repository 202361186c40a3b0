//! What record.json remembers of a container's cgroup, so that no later command has to search for it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How cgroups are mounted on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Only v2.
    Unified,
    /// v1 hierarchies, and v2 beside them.
    Hybrid,
    /// Only v1.
    Legacy,
}

/// The version of one hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// cgroups(7), version 1.
    V1,
    /// cgroups(7), version 2.
    V2,
}

/// Whether the directories are known to be this container's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// About to be made: whatever is in them may be somebody else's, so nothing is killed on this word alone.
    Planned,
    /// Made, or taken over while empty: every process in them is the container's.
    Made,
}

/// The container's directory in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// v1 or v2.
    pub version: Version,
    /// v1: the controllers of the hierarchy, or `name=…`. Empty for v2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<String>,
    /// Where the hierarchy is mounted.
    pub mount_point: PathBuf,
    /// The container's directory.
    pub path: PathBuf,
    /// Directories above it that did not exist before the container, deepest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<PathBuf>,
}

impl Member {
    /// The directories from below the mount point down to the container's, in that order.
    pub(super) fn chain(&self) -> Vec<&Path> {
        let mut chain: Vec<&Path> = self
            .path
            .ancestors()
            .take_while(|dir| *dir != self.mount_point && dir.starts_with(&self.mount_point))
            .collect();
        chain.reverse();
        chain
    }
}

/// A container's cgroup, as it is remembered on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupRecord {
    /// How cgroups are mounted.
    pub mode: Mode,
    /// Planned or made.
    pub state: State,
    /// One directory in each hierarchy, v2 first.
    pub members: Vec<Member>,
    /// The systemd unit that owns the directory, with `--systemd-cgroup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

impl CgroupRecord {
    /// The member of the v2 hierarchy.
    pub fn unified(&self) -> Option<&Member> {
        self.members.iter().find(|m| m.version == Version::V2)
    }

    /// The member of the v1 hierarchy with this controller.
    pub fn v1(&self, controller: &str) -> Option<&Member> {
        self.members
            .iter()
            .find(|m| m.version == Version::V1 && m.controllers.iter().any(|c| c == controller))
    }

    /// The member whose processes are asked for: v2, else the freezer's (which can hold them still), else the first.
    pub fn primary(&self) -> Option<&Member> {
        self.unified()
            .or_else(|| self.v1("freezer"))
            .or_else(|| self.members.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_json() {
        let record = CgroupRecord {
            mode: Mode::Hybrid,
            state: State::Planned,
            members: vec![
                Member {
                    version: Version::V2,
                    controllers: vec![],
                    mount_point: "/sys/fs/cgroup/unified".into(),
                    path: "/sys/fs/cgroup/unified/a/b".into(),
                    parents: vec!["/sys/fs/cgroup/unified/a".into()],
                },
                Member {
                    version: Version::V1,
                    controllers: vec!["freezer".into()],
                    mount_point: "/sys/fs/cgroup/freezer".into(),
                    path: "/sys/fs/cgroup/freezer/a/b".into(),
                    parents: vec![],
                },
            ],
            unit: None,
        };
        let text = serde_json::to_string(&record).unwrap();
        assert!(
            text.contains(r#""mode":"hybrid","state":"planned""#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<CgroupRecord>(&text).unwrap(), record);
        assert_eq!(record.primary(), record.unified());
        assert_eq!(
            record.members[1].chain(),
            [
                Path::new("/sys/fs/cgroup/freezer/a"),
                Path::new("/sys/fs/cgroup/freezer/a/b")
            ]
        );
    }
}
