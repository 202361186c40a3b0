//! The config.json of a bundle: read through the descriptor of the directory, replaced as a whole or not at all.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hook_exec::CallError;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, OpenHow, ResolveFlag, open, openat, openat2, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fsync, unlinkat};

/// The name of the file in a bundle.
pub const CONFIG_FILE: &str = "config.json";
/// Where a new one is written. The name is always the same, so that what a killed process has left is found.
const TEMPORARY: &str = ".config.json.lxcri-inject";
/// The largest config.json that is read, in bytes; a real one has some ten thousand.
pub const SIZE_LIMIT: u64 = 16 << 20;
/// How long another process may work on the bundle.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a config.json cannot be read or replaced. One line that begins with the file or the bundle.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct BundleError {
    path: PathBuf,
    reason: String,
}

impl BundleError {
    /// An error about the file or directory at `path`.
    pub(crate) fn about(path: &Path, reason: impl Into<String>) -> BundleError {
        BundleError {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

/// A bundle that no other process of this program works on.
#[derive(Debug)]
pub struct Bundle {
    dir: Flock<OwnedFd>,
    path: PathBuf,
}

/// A config.json as it was read.
#[derive(Debug)]
pub struct Config {
    /// The content.
    pub content: Vec<u8>,
    stat: FileStat,
}

impl Bundle {
    /// Opens the directory and waits until no other process works on it.
    ///
    /// # Errors
    /// When it is no directory, or busy for more than ten seconds.
    pub fn open(path: &Path) -> Result<Bundle, BundleError> {
        let fail = |reason: String| BundleError::about(path, reason);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut dir = open(path, flags, Mode::empty())
            .map_err(CallError::of("open bundle"))
            .map_err(|e| fail(e.to_string()))?;
        let began = Instant::now();
        loop {
            match Flock::lock(dir, FlockArg::LockExclusiveNonblock) {
                Ok(dir) => {
                    return Ok(Bundle {
                        dir,
                        path: path.to_owned(),
                    });
                }
                Err((back, Errno::EWOULDBLOCK)) if began.elapsed() < PATIENCE => dir = back,
                Err((_, Errno::EWOULDBLOCK)) => {
                    let seconds = PATIENCE.as_secs();
                    return Err(fail(format!("busy: locked for more than {seconds} s")));
                }
                Err((_, errno)) => return Err(fail(CallError::of("flock")(errno).to_string())),
            }
            sleep(Duration::from_millis(5));
        }
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads config.json.
    ///
    /// # Errors
    /// When it is missing, a symlink, no regular file or larger than [`SIZE_LIMIT`].
    pub fn read(&self) -> Result<Config, BundleError> {
        // A FIFO or a terminal must neither block the open nor become the controlling terminal.
        let flags = OFlag::O_RDONLY
            | OFlag::O_CLOEXEC
            | OFlag::O_NOFOLLOW
            | OFlag::O_NONBLOCK
            | OFlag::O_NOCTTY;
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let file = match openat2(&*self.dir, CONFIG_FILE, how) {
            Ok(fd) => fd,
            Err(Errno::ELOOP) => return Err(self.fail("is a symlink")),
            Err(errno) => return Err(self.call("openat2")(errno)),
        };
        let stat = fstat(&file).map_err(self.call("fstat"))?;
        if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
            return Err(self.fail("is not a regular file"));
        }
        let too_large = || self.fail(format!("is larger than {} MiB", SIZE_LIMIT >> 20));
        // Before memory is taken for it: a sparse file may claim to have any size.
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size > SIZE_LIMIT {
            return Err(too_large());
        }
        let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
        File::from(file)
            .take(SIZE_LIMIT + 1)
            .read_to_end(&mut content)
            .map_err(|e| self.call("read")(errno(&e)))?;
        if content.len() as u64 > SIZE_LIMIT {
            return Err(too_large());
        }
        Ok(Config { content, stat })
    }

    /// Puts a new content in the place of config.json, with the mode and the owner of the old one. Until the last moment
    /// the old file is there, and after an error it still is. With `sync` the new one is on the disk afterwards.
    ///
    /// # Errors
    /// When a call fails, for example because the file system is full.
    pub fn replace(&self, old: &Config, content: &[u8], sync: bool) -> Result<(), BundleError> {
        let result = self.write(old, content, sync).and_then(|()| {
            renameat(&*self.dir, TEMPORARY, &*self.dir, CONFIG_FILE)
                .map_err(self.call("renameat(temporary)"))
        });
        if result.is_err() {
            let _ = unlinkat(&*self.dir, TEMPORARY, UnlinkatFlags::NoRemoveDir);
        } else if sync {
            fsync(&*self.dir).map_err(self.call("fsync(bundle)"))?;
        }
        result
    }

    fn write(&self, old: &Config, content: &[u8], sync: bool) -> Result<(), BundleError> {
        let file = self.temporary()?;
        let (uid, gid) = (
            Uid::from_raw(old.stat.st_uid),
            Gid::from_raw(old.stat.st_gid),
        );
        fchown(&file, Some(uid), Some(gid)).map_err(self.call("fchown(temporary)"))?;
        let mode = Mode::from_bits_truncate(old.stat.st_mode & 0o7777);
        fchmod(&file, mode).map_err(self.call("fchmod(temporary)"))?;
        let mut file = File::from(file);
        file.write_all(content)
            .map_err(|e| self.call("write(temporary)")(errno(&e)))?;
        if sync {
            fsync(&file).map_err(self.call("fsync(temporary)"))?;
        }
        Ok(())
    }

    /// Makes the temporary file. One that is there belongs to nobody, since the bundle is locked.
    fn temporary(&self) -> Result<OwnedFd, BundleError> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let make = || {
            openat(
                &*self.dir,
                TEMPORARY,
                flags,
                Mode::from_bits_truncate(0o600),
            )
        };
        let made = match make() {
            Err(Errno::EEXIST) => {
                unlinkat(&*self.dir, TEMPORARY, UnlinkatFlags::NoRemoveDir)
                    .map_err(|errno| self.in_the_way(errno))?;
                make()
            }
            made => made,
        };
        made.map_err(self.call("openat(temporary)"))
    }

    /// An error about what stands in the place of the temporary file and was not made here, such as a directory.
    fn in_the_way(&self, errno: Errno) -> BundleError {
        let reason = CallError::of("unlinkat")(errno).to_string();
        BundleError::about(&self.path.join(TEMPORARY), reason)
    }

    /// The path of its config.json.
    pub fn config_path(&self) -> PathBuf {
        self.path.join(CONFIG_FILE)
    }

    /// An error about config.json.
    fn fail(&self, reason: impl Into<String>) -> BundleError {
        BundleError::about(&self.config_path(), reason)
    }

    fn call(&self, call: &str) -> impl FnOnce(Errno) -> BundleError {
        move |errno| self.fail(CallError::of(call)(errno).to_string())
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever has to remove it needs its path.
    #[test]
    fn a_directory_in_the_place_of_the_temporary_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CONFIG_FILE), "{}").unwrap();
        let temporary = dir.path().join(TEMPORARY);
        std::fs::create_dir(&temporary).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let config = bundle.read().unwrap();
        let error = bundle.replace(&config, b"{ }", false).unwrap_err();
        let expected = format!("{}: unlinkat: ", temporary.display());
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(bundle.read().unwrap().content, b"{}");
    }
}
