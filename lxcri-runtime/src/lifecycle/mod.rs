//! The lifecycle of a container, one file per verb (runtime-spec, runtime.md, Lifecycle).

pub mod birth;
pub mod create;
pub mod delete;
pub mod destroy;
pub mod hooks;
pub mod kill;
pub mod run;
pub mod start;

use std::path::PathBuf;

/// Where containers live and what applies to all of them: the global options, resolved.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Directory of the containers' state, absolute.
    pub root: PathBuf,
    /// Whether systemd makes the cgroups.
    pub systemd_cgroup: bool,
    /// The file that gets a copy of each hook's record, absolute.
    pub hooks_log: Option<PathBuf>,
}
