//! A directory of a test's own, that everything the test makes lies in, and a marker that names it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::command::copy_program;
use crate::leaks;

/// Where LXC makes a lock for each container, and never removes it (lxc's lxclock.c).
const LOCKS: &str = "/run/lxc/lock";

/// The directory. Dropping it ends what still carries its marker and removes it.
pub struct Scratch {
    directory: TempDir,
    marker: String,
}

impl Scratch {
    /// Makes a directory below the system's temporary one.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// Makes a directory below `parent`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn below(parent: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let marker = format!(
            "lxt{}x{}x",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let directory = tempfile::Builder::new()
            .prefix(&format!("{marker}-"))
            .tempdir_in(parent);
        let directory =
            directory.unwrap_or_else(|e| panic!("no directory in {}: {e}", parent.display()));
        let scratch = Scratch { directory, marker };
        // Containers with a user namespace of their own look into it as an ordinary user.
        scratch.mode("", 0o755);
        scratch
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path below the directory.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A text that is part of the directory's path and of every container id of this test, and of nothing else.
    pub fn marker(&self) -> &str {
        &self.marker
    }

    /// A container id.
    pub fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.marker)
    }

    /// Makes a directory below it.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn mkdir(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(&path).unwrap_or_else(|e| panic!("mkdir {}: {e}", path.display()));
        path
    }

    /// Writes a file below it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, content).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
        path
    }

    /// Sets a mode. A file that becomes executable is replaced by a copy, which nobody has open for writing
    /// ([`copy_program`]).
    ///
    /// # Panics
    /// When it cannot be set.
    pub fn mode(&self, name: impl AsRef<Path>, mode: u32) {
        let path = self.join(name);
        if mode & 0o111 != 0 && path.is_file() {
            let copy = PathBuf::from(format!("{}.copy", path.display()));
            copy_program(&path, &copy);
            fs::rename(&copy, &path).unwrap_or_else(|e| panic!("rename {}: {e}", copy.display()));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .unwrap_or_else(|e| panic!("chmod {}: {e}", path.display()));
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        leaks::sweep(&self.marker);
        let path = fs::canonicalize(self.path()).unwrap_or_else(|_| self.path().to_path_buf());
        remove_locks(&Path::new(LOCKS).join(path.strip_prefix("/").unwrap_or(&path)));
    }
}

/// Removes what LXC left for containers below this directory's path: `.<name>` in a directory like that of each `-P`.
///
/// What is not a lock file stays, and so do the directories above it.
fn remove_locks(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(t) if t.is_dir() => remove_locks(&entry.path()),
            Ok(t) if t.is_file() && entry.file_name().as_bytes().starts_with(b".") => {
                let _ = fs::remove_file(entry.path());
            }
            _ => {}
        }
    }
    let _ = fs::remove_dir(directory);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::{Scratch, remove_locks};
    use crate::command::Cmd;

    #[test]
    fn locks_are_removed_and_nothing_else() {
        let scratch = Scratch::new();
        for directory in ["locks/own/run", "locks/own/other", "locks/of another"] {
            scratch.mkdir(directory);
        }
        for lock in [
            "locks/own/run/.a",
            "locks/own/run/.b",
            "locks/of another/.c",
        ] {
            scratch.write(lock, "");
        }
        remove_locks(&scratch.join("locks/own"));
        remove_locks(&scratch.join("locks/missing"));
        assert!(!scratch.join("locks/own").exists());
        assert!(scratch.join("locks/of another/.c").exists());

        scratch.mkdir("locks/own/run");
        scratch.write("locks/own/run/no lock", "");
        remove_locks(&scratch.join("locks/own"));
        let left: Vec<_> = fs::read_dir(scratch.join("locks/own/run"))
            .unwrap()
            .collect();
        assert_eq!(left.len(), 1);
    }

    /// A child that another thread starts in this moment has a copy of every descriptor until it executes its program.
    #[test]
    fn an_executable_can_be_executed_at_once() {
        let scratch = Scratch::new();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        Cmd::new("/bin/true").run().success();
                    }
                });
            }
            let outcomes: Vec<_> = (0..200)
                .map(|n| {
                    let name = format!("program{n}");
                    let path = scratch.write(&name, "#!/bin/sh\n");
                    scratch.mode(&name, 0o755);
                    // By another program: what keeps the file from being executed is then in its output.
                    Cmd::new("/usr/bin/env").arg(path).run()
                })
                .collect();
            done.store(true, Ordering::Relaxed);
            for outcome in outcomes {
                outcome.success();
            }
        });
    }
}
