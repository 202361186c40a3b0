//! What a child is to become, and what can go wrong until it has.

use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, OwnedFd};

#[allow(unsafe_code)]
mod sys;

pub use sys::{Birthplace, spawn};

/// What a child becomes.
pub struct Spawn<'a> {
    pub path: &'a CStr,
    pub argv: &'a [CString],
    pub envp: &'a [CString],
    /// Executed in place of the path.
    pub executable: Option<BorrowedFd<'a>>,
    pub cwd: &'a CStr,
    /// Become 0, 1 and 2; none of them may be one of these.
    pub stdio: [BorrowedFd<'a>; 3],
    /// Whether the child gets SIGKILL when the calling thread ends.
    pub die_with_caller: bool,
}

/// A child that has executed its program.
pub struct Child {
    pub pid: libc::pid_t,
    pub pidfd: OwnedFd,
}

/// What the child does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
enum Step {
    None = 0,
    Setpgid,
    Sigaction,
    Prctl,
    Chdir,
    Dup,
    CloseRange,
    Sigprocmask,
    Setaffinity,
    Exec,
}

impl Step {
    const ALL: [Step; 9] = [
        Step::Setpgid,
        Step::Sigaction,
        Step::Prctl,
        Step::Chdir,
        Step::Dup,
        Step::CloseRange,
        Step::Sigprocmask,
        Step::Setaffinity,
        Step::Exec,
    ];

    fn call(self, spawn: &Spawn<'_>) -> String {
        let path = spawn.path.to_string_lossy();
        match self {
            Step::None => "clone".into(),
            Step::Setpgid => "setpgid(0, 0)".into(),
            Step::Sigaction => "rt_sigaction(SIG_DFL)".into(),
            Step::Prctl => "prctl(PR_SET_PDEATHSIG)".into(),
            Step::Chdir => format!("chdir({})", spawn.cwd.to_string_lossy()),
            Step::Dup => "dup3".into(),
            Step::CloseRange => "close_range(3, CLOSE_RANGE_CLOEXEC)".into(),
            Step::Sigprocmask => "rt_sigprocmask(SIG_SETMASK, [])".into(),
            Step::Setaffinity => "sched_setaffinity(0)".into(),
            Step::Exec if spawn.executable.is_some() => format!("execveat({path}, AT_EMPTY_PATH)"),
            Step::Exec => format!("execve({path})"),
        }
    }
}
