//! One hook: what to execute, with which arguments and environment, and for how long.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hook_tree::names::{DEFAULT_PATH, FILE_LIMIT, TIMEOUT_VARIABLE};

use crate::problem::{Problem, child};

/// A hook as in the runtime-spec (config.md, POSIX-platform Hooks).
///
/// One that comes out of [`HookSet`](crate::HookSet) is valid. [`Hook::problems`] says what is wrong with any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Absolute path of the executable.
    pub path: PathBuf,
    /// The whole argument vector with argv\[0\], which may differ from the path.
    pub args: Option<Vec<String>>,
    /// `NAME=value` strings; `None` is a default PATH, `Some(vec![])` is empty.
    pub env: Option<Vec<String>>,
    /// Seconds until the hook is killed; `None` is no limit.
    pub timeout: Option<NonZeroU64>,
}

impl Hook {
    /// A hook of which only the path is known.
    pub fn new(path: impl Into<PathBuf>) -> Hook {
        Hook {
            path: path.into(),
            args: None,
            env: None,
            timeout: None,
        }
    }

    /// The argument vector, never empty: without `args` (or with an empty list) argv\[0\] is the path.
    pub fn argv(&self) -> Vec<String> {
        match &self.args {
            Some(args) if !args.is_empty() => args.clone(),
            _ => vec![self.path_str().into_owned()],
        }
    }

    /// The environment, with [`TIMEOUT_VARIABLE`] exactly when a timeout is set.
    ///
    /// Where none is configured it is [`DEFAULT_PATH`] alone: nothing of the caller's, since that is how CVE-2025-23266
    /// came about.
    pub fn environ(&self) -> Vec<String> {
        self.environ_or(&[DEFAULT_PATH.to_owned()])
    }

    /// Like [`Hook::environ`] with `fallback` where no environment is configured: a startContainer hook then gets the
    /// environment of the container process.
    pub fn environ_or(&self, fallback: &[String]) -> Vec<String> {
        let entries = self.env.as_deref().unwrap_or(fallback).iter();
        // With this variable an image could set a deadline for a hook that has none.
        let mut environ: Vec<String> = entries
            .filter(|entry| !is_timeout(entry))
            .cloned()
            .collect();
        environ.extend(
            self.timeout
                .map(|seconds| format!("{TIMEOUT_VARIABLE}={seconds}")),
        );
        environ
    }

    /// The time after which the hook is killed.
    pub fn deadline(&self) -> Option<Duration> {
        self.timeout
            .map(|seconds| Duration::from_secs(seconds.get()))
    }

    /// The path as text.
    pub fn path_str(&self) -> std::borrow::Cow<'_, str> {
        self.path.to_string_lossy()
    }

    /// What makes this hook invalid, each with a JSON pointer below `pointer`. No file is looked at.
    pub fn problems(&self, pointer: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        check_path(&self.path, &child(pointer, "path"), &mut problems);
        for (i, arg) in self.args.iter().flatten().enumerate() {
            check_nul(arg, &format!("{pointer}/args/{i}"), &mut problems);
        }
        for (i, entry) in self.env.iter().flatten().enumerate() {
            let place = format!("{pointer}/env/{i}");
            check_nul(entry, &place, &mut problems);
            match entry.split_once('=') {
                // The entry is not quoted: it may be a secret whose name was forgotten.
                None => problems.push(Problem::new(place, "no '='")),
                Some(("", _)) => problems.push(Problem::new(place, "no name before '='")),
                Some((TIMEOUT_VARIABLE, _)) if self.timeout.is_none() => {
                    problems.push(Problem::new(
                        place,
                        format!("{TIMEOUT_VARIABLE} is set by the runtime, from \"timeout\""),
                    ))
                }
                Some(_) => {}
            }
        }
        for (name, list) in [("args", &self.args), ("env", &self.env)] {
            check_size(list.as_deref(), &child(pointer, name), &mut problems);
        }
        if self
            .timeout
            .is_some_and(|seconds| i64::try_from(seconds.get()).is_err())
        {
            problems.push(Problem::new(
                child(pointer, "timeout"),
                "does not fit a signed 64-bit integer",
            ));
        }
        problems
    }
}

fn is_timeout(entry: &str) -> bool {
    entry
        .split_once('=')
        .is_some_and(|(name, _)| name == TIMEOUT_VARIABLE)
}

fn check_path(path: &Path, pointer: &str, problems: &mut Vec<Problem>) {
    let text = path.to_string_lossy();
    if !path.is_absolute() {
        problems.push(Problem::new(
            pointer,
            format!("{text:?} is not an absolute path"),
        ));
    }
    check_nul(&text, pointer, problems);
}

/// A string with a NUL would be cut off there by the kernel and split in a hook tree.
fn check_nul(text: &str, pointer: &str, problems: &mut Vec<Problem>) {
    if text.contains('\0') {
        problems.push(Problem::new(
            pointer,
            format!("{text:?} contains a NUL character"),
        ));
    }
}

/// Room for what is added to the environment.
const ROOM: usize = 64;

/// What the launcher would not read; execve(2) takes as much with a stack of 8 MiB.
fn check_size(list: Option<&[String]>, pointer: &str, problems: &mut Vec<Problem>) {
    let bytes: usize = list
        .iter()
        .flat_map(|l| l.iter())
        .map(|s| s.len() + 1)
        .sum();
    if bytes > FILE_LIMIT - ROOM {
        let limit = FILE_LIMIT >> 20;
        problems.push(Problem::new(pointer, format!("more than {limit} MiB")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_hook_tree_takes_is_refused() {
        let long = |count| Some(vec!["a=".repeat(500); count]);
        let hook = Hook {
            args: long(2090),
            env: long(2096),
            ..Hook::new("/bin/x")
        };
        let problems: Vec<_> = hook.problems("/h").iter().map(|p| p.to_string()).collect();
        assert_eq!(problems, ["/h/env: more than 2 MiB"]);
    }

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn argv_is_never_empty() {
        let mut hook = Hook::new("/bin/x");
        assert_eq!(hook.argv(), ["/bin/x"]);
        hook.args = Some(vec![]);
        assert_eq!(hook.argv(), ["/bin/x"]);
        hook.args = Some(strings(&["other", ""]));
        assert_eq!(hook.argv(), ["other", ""]);
    }

    #[test]
    fn environ_is_exact() {
        let mut hook = Hook::new("/bin/x");
        assert_eq!(hook.environ(), [DEFAULT_PATH]);
        hook.timeout = NonZeroU64::new(5);
        assert_eq!(hook.environ(), [DEFAULT_PATH, "OCI_HOOK_TIMEOUT=5"]);
        hook.env = Some(vec![]);
        assert_eq!(hook.environ(), ["OCI_HOOK_TIMEOUT=5"]);
        hook.timeout = None;
        assert!(hook.environ().is_empty());
    }

    #[test]
    fn the_timeout_variable_is_the_runtimes() {
        let mut hook = Hook::new("/bin/x");
        hook.env = Some(strings(&[
            "A=1",
            "OCI_HOOK_TIMEOUT=9",
            "B=2",
            "OCI_HOOK_TIMEOUT=8",
        ]));
        hook.timeout = NonZeroU64::new(5);
        assert_eq!(hook.environ(), ["A=1", "B=2", "OCI_HOOK_TIMEOUT=5"]);
        hook.timeout = None;
        assert_eq!(hook.environ(), ["A=1", "B=2"]);
    }

    #[test]
    fn an_image_cannot_set_a_deadline() {
        let hook = Hook::new("/bin/x");
        assert_eq!(
            hook.environ_or(&strings(&["A=1", "OCI_HOOK_TIMEOUT=1"])),
            ["A=1"]
        );
        let configured = Hook {
            env: Some(vec![]),
            ..hook
        };
        assert!(configured.environ_or(&strings(&["A=1"])).is_empty());
    }
}
