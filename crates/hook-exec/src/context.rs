//! What the hooks of a phase have in common.

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// [`Context::kill_wait`] unless set otherwise.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// What the hooks of a phase have in common.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The OCI state as JSON, for stdin.
    pub state: &'a [u8],
    /// The working directory, looked up for each hook.
    pub cwd: &'a Path,
    /// Whether a hook is killed when the calling thread ends. A program with set-id bits loses that.
    pub die_with_caller: bool,
    /// When a hook is killed even if its own timeout is later, or if it has none.
    pub deadline: Option<Instant>,
    /// Kills a hook when it can be read.
    pub interrupt: Option<BorrowedFd<'a>>,
    /// How long a killed hook is waited for. Only a process that hangs in the kernel needs longer than no time.
    pub kill_wait: Duration,
}

impl<'a> Context<'a> {
    /// Hooks with this state in this directory.
    pub fn new(state: &'a [u8], cwd: &'a Path) -> Context<'a> {
        Context {
            state,
            cwd,
            die_with_caller: false,
            deadline: None,
            interrupt: None,
            kill_wait: KILL_WAIT,
        }
    }
}
