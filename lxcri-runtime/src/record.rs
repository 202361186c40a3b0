//! What the runtime itself must remember about a container: record.json.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cgroup::CgroupRecord;
use crate::pins::Pins;
use crate::process::Process;

/// What the runtime itself must remember about a container: `record.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// When it was created, RFC 3339.
    pub created: String,
    /// Absolute path of the root file system.
    pub rootfs: PathBuf,
    /// Whether init is the first process of a pid namespace of its own, whose end ends all others.
    pub own_pid_namespace: bool,
    /// Device and inode of the launcher. As long as init executes it, the user's program has not been executed.
    pub launcher: (u64, u64),
    /// The container's init, once it is known.
    pub init: Option<Process>,
    /// The cgroup, made or about to be made.
    pub cgroup: Option<CgroupRecord>,
    /// The file that gets a copy of each hook's record.
    pub hooks_log: Option<PathBuf>,
    /// What the executables of hooks must contain.
    #[serde(default)]
    pub pins: Pins,
    /// The `lxc-destroy` that runs the poststop hooks. A `delete` that is killed leaves it to the next one.
    #[serde(default)]
    pub destroyer: Option<Process>,
}
