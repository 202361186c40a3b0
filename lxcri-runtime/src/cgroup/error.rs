//! What can go wrong with a cgroup, in words.

use std::fmt;
use std::path::PathBuf;

use nix::errno::Errno;

/// A failed operation on a container's cgroup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed; `call` shows it with its arguments.
    #[error("{call}: {}", Described(*.errno))]
    Sys {
        /// The call as strace would show it.
        call: String,
        /// What the kernel answered.
        errno: Errno,
    },
    /// `/proc/self/mountinfo` or `/proc/self/cgroup` holds a line that is not in the documented form.
    #[error("{file}: malformed line: {line}")]
    Malformed {
        /// The file that was read.
        file: &'static str,
        /// The line as it stands there.
        line: String,
    },
    /// Neither a v1 nor the v2 hierarchy is mounted where this process can see it.
    #[error("no cgroup hierarchy is mounted")]
    NoHierarchy,
    /// `linux.cgroupsPath` cannot be used.
    #[error("/linux/cgroupsPath: {path}: {reason}")]
    Path {
        /// The value of the spec.
        path: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// The cgroup belongs to somebody else.
    #[error("cgroup {} is in use by {}", .path.display(), pid_list(.pids))]
    InUse {
        /// The directory that exists.
        path: PathBuf,
        /// Some of the processes in it.
        pids: Vec<i32>,
    },
    /// The cgroup exists and is frozen, whoever enters it would stop at once.
    #[error("cgroup {} exists and is frozen", .path.display())]
    Frozen {
        /// The directory that exists.
        path: PathBuf,
    },
    /// The cgroup could not be emptied or removed in time.
    #[error("rmdir({}): {}: still in use by {}", .path.display(), Described(*.errno), pid_list(.pids))]
    Busy {
        /// The directory that stays.
        path: PathBuf,
        /// What the kernel answered at the last attempt.
        errno: Errno,
        /// Some of the processes in it.
        pids: Vec<i32>,
    },
    /// The deadline passed before every process had stopped.
    #[error("freezing cgroup {}: not frozen in time", .path.display())]
    FreezeTimeout {
        /// The directory of the freezer.
        path: PathBuf,
    },
    /// Neither the v1 freezer nor a v2 hierarchy is mounted.
    #[error("cgroup {}: this machine has no freezer", .path.display())]
    NoFreezer {
        /// A directory of the container.
        path: PathBuf,
    },
    /// Setting one limit failed.
    #[error("{pointer}: {source}")]
    Setting {
        /// JSON pointer of the field in config.json.
        pointer: String,
        /// What failed.
        source: Box<Error>,
    },
    /// Fields of `linux.resources` that this machine or this program cannot honour.
    #[error("{}", problem_list(.0))]
    Refused(Vec<Problem>),
    /// `--systemd-cgroup` was given and cannot work here.
    #[error("--systemd-cgroup: {0}")]
    Systemd(String),
}

/// One field of `linux.resources` that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer of the field in config.json.
    pub pointer: String,
    /// Why it is refused: "not supported: …" or "invalid: …".
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.reason)
    }
}

impl Error {
    /// A failed call; `call` shows it with its arguments.
    pub(super) fn sys(call: impl Into<String>, errno: Errno) -> Self {
        Error::Sys {
            call: call.into(),
            errno,
        }
    }

    /// The kernel's answer, where there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Sys { errno, .. } | Error::Busy { errno, .. } => Some(*errno),
            Error::Setting { source, .. } => source.errno(),
            _ => None,
        }
    }
}

/// `no such file or directory (ENOENT)`.
struct Described(Errno);

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.desc();
        let mut chars = text.chars();
        match chars.next() {
            // An abbreviation such as "RPC" keeps its capitals.
            Some(first) if !text[1..].starts_with(|c: char| c.is_ascii_uppercase()) => {
                write!(
                    f,
                    "{}{} ({:?})",
                    first.to_lowercase(),
                    chars.as_str(),
                    self.0
                )
            }
            _ => write!(f, "{text} ({:?})", self.0),
        }
    }
}

fn pid_list(pids: &[i32]) -> String {
    const SHOWN: usize = 5;
    match pids {
        [] => "no visible process".to_owned(),
        [one] => format!("process {one}"),
        many => {
            let shown: Vec<String> = many.iter().take(SHOWN).map(i32::to_string).collect();
            let rest = if many.len() > SHOWN { ", …" } else { "" };
            format!("processes {}{rest}", shown.join(", "))
        }
    }
}

fn problem_list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_call_reads_like_strace_in_lower_case() {
        let error = Error::sys("mkdir(/sys/fs/cgroup/x)", Errno::ENOENT);
        assert_eq!(
            error.to_string(),
            "mkdir(/sys/fs/cgroup/x): no such file or directory (ENOENT)"
        );
    }

    #[test]
    fn a_long_list_of_processes_is_cut() {
        let error = Error::InUse {
            path: "/sys/fs/cgroup/x".into(),
            pids: (1..=9).collect(),
        };
        assert_eq!(
            error.to_string(),
            "cgroup /sys/fs/cgroup/x is in use by processes 1, 2, 3, 4, 5, …"
        );
    }

    #[test]
    fn a_limit_names_its_pointer_once() {
        let error = Error::Setting {
            pointer: "/linux/resources/memory/limit".into(),
            source: Box::new(Error::sys(
                "write(/m/memory.limit_in_bytes, \"1\")",
                Errno::EBUSY,
            )),
        };
        assert_eq!(error.errno(), Some(Errno::EBUSY));
        assert!(error.to_string().starts_with(
            "/linux/resources/memory/limit: write(/m/memory.limit_in_bytes, \"1\"): device or resource busy"
        ));
    }
}
