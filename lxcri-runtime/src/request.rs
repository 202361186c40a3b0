//! What is asked of the runtime: the options of a command, resolved.

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
    /// The configuration file that was asked for. It counts at `create` alone, so that a broken one keeps no container from
    /// being stopped and deleted.
    pub config: Option<PathBuf>,
}

/// What is to be created.
#[derive(Clone, Debug)]
pub struct Request {
    /// Id of the container.
    pub id: String,
    /// Absolute path of the bundle.
    pub bundle: PathBuf,
    /// File to which init's pid is written.
    pub pid_file: Option<PathBuf>,
    /// Who serves the container's terminal.
    pub terminals: Terminals,
    /// Whether the container gets a session keyring of its own.
    pub new_keyring: bool,
    /// How many descriptors from 3 on the container process gets.
    pub preserve_fds: u32,
    /// Directories with hook files, absolute; without any, those of the configuration file count.
    pub hooks_dirs: Vec<PathBuf>,
}

/// Who serves the container's terminal, if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terminals {
    /// Nobody: a bundle that asks for a terminal is refused.
    None,
    /// Who listens on this socket.
    Socket(PathBuf),
    /// This program.
    Own,
}
