//! Names of files and directories below `<root>/<id>/`, and of the variables that belong to the format.

/// Directory with one directory per phase.
pub const HOOKS: &str = "hooks";
/// A hook's executable and arguments.
pub const CMDLINE: &str = "cmdline";
/// A hook's environment.
pub const ENVIRON: &str = "environ";
/// Working directory of a phase's hooks, in the directory of the phase: an absolute path ended by NUL. Optional.
pub const CWD: &str = "cwd";
/// The OCI state as JSON.
pub const STATE: &str = "state.json";
/// One line of JSON for each hook that ran.
pub const HOOKS_LOG: &str = "hooks.jsonl";
/// What the runtime itself must remember.
pub const RECORD: &str = "record.json";
/// The LXC configuration.
pub const LXC_CONFIG: &str = "config";
/// The effective OCI configuration.
pub const OCI_CONFIG: &str = "config.json";
/// The only part of the directory that the container sees.
pub const GUEST: &str = "guest";
/// Where the container sees [`GUEST`].
pub const GUEST_MOUNT: &str = "/.lxcri";
/// The launcher, in [`GUEST`].
pub const LAUNCHER: &str = "lxcri-hook";
/// Socket of the rendezvous, in [`GUEST`].
pub const SYNC: &str = "sync";
/// FIFO at which init waits for `start`, in [`GUEST`].
pub const SYNCFIFO: &str = "syncfifo";
/// Directory of what init carries out, in [`GUEST`].
pub const INIT: &str = "init";
/// What init carries out, in [`INIT`]: a [list of system calls](crate::calls).
pub const CALLS: &str = "calls";

/// Name of the variable that carries a hook's timeout in seconds.
pub const TIMEOUT_VARIABLE: &str = "OCI_HOOK_TIMEOUT";
/// The whole environment of a hook whose `env` is missing.
pub const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Greatest size in bytes of a file of the tree.
///
/// The kernel gives arguments and environment together a quarter of the stack limit, 2 MiB by default.
pub const FILE_LIMIT: usize = 2 << 20;
/// Greatest number of instructions in a seccomp filter, `BPF_MAXINSNS` of the kernel.
pub const SECCOMP_LIMIT: usize = 4096;
/// Size in bytes of one instruction of a seccomp filter, `struct sock_filter`.
pub const SECCOMP_INSTRUCTION: usize = 8;
