//! A hooks.d directory: opened once, judged and listed through its descriptor.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};

use crate::opened;
use crate::source::Access;
use crate::text::failed;

const SUFFIX: &[u8] = b".json";

/// An open directory.
pub struct Directory {
    path: PathBuf,
    dir: Dir,
}

impl Directory {
    /// Opens a directory that may be trusted; `None` when there is none. The error is a reason.
    pub fn open(path: &Path, access: Access) -> Result<Option<Directory>, String> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = match Dir::open(path, flags, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ENOTDIR) => return Err("is not a directory".to_owned()),
            Err(errno) => return Err(failed("open", errno)),
        };
        let stat = fstat(&dir).map_err(|errno| failed("fstat", errno))?;
        opened::check_access(&stat, access)?;
        Ok(Some(Directory {
            path: path.to_owned(),
            dir,
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

    /// For opening its files.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The path of a file in it.
    pub fn file(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }
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
