//! Reading and writing the small files of a cgroup directory.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::Mode;

use super::error::Error;

/// The name of the file that lists processes and takes new ones.
pub(super) const PROCS: &str = "cgroup.procs";
/// Moves single threads in a v1 hierarchy.
pub(super) const TASKS: &str = "tasks";

fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// The whole content of `dir/name`.
pub(super) fn read(dir: &Path, name: &str) -> Result<String, Error> {
    let path = dir.join(name);
    let mut text = String::new();
    File::open(&path)
        .map_err(|e| Error::sys(format!("open({})", path.display()), errno(&e)))?
        .read_to_string(&mut text)
        .map_err(|e| Error::sys(format!("read({})", path.display()), errno(&e)))?;
    Ok(text)
}

/// Like [`read`], `None` when the file (or the cgroup) does not exist.
pub(super) fn read_if_there(dir: &Path, name: &str) -> Result<Option<String>, Error> {
    match read(dir, name) {
        Ok(text) => Ok(Some(text)),
        Err(e) if gone(e.errno()) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes `value` to `dir/name` in one call.
pub(super) fn write(dir: &Path, name: &str, value: &str) -> Result<(), Error> {
    Writer::open(dir, name)?.write(value)
}

/// A file that takes several requests: the kernel takes each write as one.
pub(super) struct Writer {
    path: PathBuf,
    file: File,
}

impl Writer {
    /// Opens `dir/name`.
    pub(super) fn open(dir: &Path, name: &str) -> Result<Self, Error> {
        let path = dir.join(name);
        match File::options()
            .write(true)
            .custom_flags(nix::libc::O_CLOEXEC | nix::libc::O_NOFOLLOW)
            .open(&path)
        {
            Ok(file) => Ok(Writer { path, file }),
            Err(e) => Err(Error::sys(
                format!("open({}, O_WRONLY)", path.display()),
                errno(&e),
            )),
        }
    }

    /// Writes `value` in one call.
    pub(super) fn write(&mut self, value: &str) -> Result<(), Error> {
        // `write_all` would send the rest of a short write as a second request.
        match self.file.write(value.as_bytes()) {
            Ok(n) if n == value.len() => Ok(()),
            Ok(_) => Err(Errno::EIO),
            Err(e) => Err(errno(&e)),
        }
        .map_err(|e| Error::sys(format!("write({}, {value:?})", self.path.display()), e))
    }
}

/// Makes one directory; `false` when it exists already.
pub(super) fn make_dir(path: &Path) -> Result<bool, Error> {
    match nix::unistd::mkdir(path, Mode::from_bits_truncate(0o755)) {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(e) => Err(Error::sys(format!("mkdir({}, 0755)", path.display()), e)),
    }
}

/// Whether this answer means that a cgroup, or a file of it, is not there (any more).
pub(super) fn gone(errno: Option<Errno>) -> bool {
    matches!(errno, Some(Errno::ENOENT | Errno::ENODEV | Errno::ENOTDIR))
}

/// The value after `key` in a flat keyed file such as cgroup.events.
pub(super) fn keyed<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyed_takes_whole_keys_only() {
        let text = "populated 1\nfrozen 0\n";
        assert_eq!(keyed(text, "frozen"), Some("0"));
        assert_eq!(keyed(text, "populated"), Some("1"));
        assert_eq!(keyed(text, "pop"), None);
    }

    #[test]
    fn errors_show_the_call() {
        let dir = tempfile::tempdir().unwrap();
        let error = write(dir.path(), "pids.max", "7").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "open({}/pids.max, O_WRONLY): no such file or directory (ENOENT)",
                dir.path().display()
            )
        );
        assert!(read_if_there(dir.path(), "pids.max").unwrap().is_none());
    }
}
