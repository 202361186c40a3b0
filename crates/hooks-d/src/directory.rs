//! A hooks.d directory: opened once, judged and listed through its descriptor.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{fstat, fstatat};

use crate::access::{Access, check_access};
use crate::below::{on_host, open_below};
use crate::text::failed;

const SUFFIX: &[u8] = b".json";

/// An open directory.
pub struct Directory {
    path: PathBuf,
    dir: Dir,
    host_root: Option<PathBuf>,
}

impl Directory {
    /// Opens a directory that may be trusted; `None` when there is none. When it lies below `host_root`, symlinks on the way
    /// and in it are resolved as on that host. The error is a reason.
    pub fn open(
        path: &Path,
        access: Access,
        host_root: Option<&Path>,
    ) -> Result<Option<Directory>, String> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let opened = match on_host(path, host_root) {
            Some((root, below)) => open_below(root, below, flags).map(OwnedFd::from),
            None => openat2(AT_FDCWD, path, plain(flags)),
        };
        let dir = match opened.and_then(Dir::from_fd) {
            Ok(dir) => dir,
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ENOTDIR) => return Err("is not a directory".to_owned()),
            Err(errno) => return Err(failed("open", errno)),
        };
        let stat = fstat(&dir).map_err(|errno| failed("fstat", errno))?;
        check_access(&stat, access)?;
        Ok(Some(Directory {
            path: path.to_owned(),
            dir,
            host_root: host_root.map(Path::to_owned),
        }))
    }

    /// The names of its files. The kernel lists up to some hundred names at once, so a rename hides none of them.
    pub fn names(&mut self) -> Result<Vec<OsString>, String> {
        let mut names = Vec::new();
        for entry in self.dir.iter() {
            let entry = entry.map_err(|errno| failed("getdents", errno))?;
            let name = entry.file_name().to_bytes();
            if name.ends_with(SUFFIX) {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        Ok(names)
    }

    /// Opens one of its files. Symlinks are followed, since package managers and Kubernetes make them in directories that only
    /// root can write to.
    pub fn open_file(&self, name: &OsStr, flags: OFlag) -> nix::Result<File> {
        let path = self.file(name);
        match on_host(&path, self.host_root.as_deref()) {
            Some((root, below)) => open_below(root, below, flags),
            None => openat2(&self.dir, name, plain(flags)).map(File::from),
        }
    }

    /// Whether it has this name at all, even as a symlink to nothing.
    pub fn has(&self, name: &OsStr) -> bool {
        fstatat(&self.dir, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
    }

    /// The path of a file in it.
    pub fn file(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }
}

/// As in our own mount namespace.
fn plain(flags: OFlag) -> OpenHow {
    OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS)
}

/// What files are ordered by: the name in lower case by code point, as Go's strings.ToLower has it, then the name itself.
pub fn order(name: &OsStr) -> (String, Vec<u8>) {
    let lower = name
        .to_string_lossy()
        .chars()
        .flat_map(char::to_lowercase)
        .collect();
    (lower, name.as_bytes().to_vec())
}
