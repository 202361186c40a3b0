//! A file of a source: opened once, judged and read through its descriptor.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, SFlag, fstat, makedev};

use crate::access::{Access, check_access};
use crate::directory::Directory;
use crate::text::{failed, failed_io};

/// The largest file that is read, in bytes; a real one has some hundred.
const SIZE_LIMIT: usize = 1 << 20;

/// How often a file that changes while it is read is read again.
const ATTEMPTS: u32 = 5;

/// What is found under a name.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// A file with this content.
    Content(Vec<u8>),
    /// An empty file.
    Empty(Version),
    /// The null device.
    Null,
    /// A symlink to nothing.
    Dangling,
    /// Nothing any more.
    Gone,
}

/// Reads the file `name` of a directory. The error is a reason.
pub fn read(directory: &Directory, name: &OsStr, access: Access) -> Result<Opened, String> {
    for _ in 0..ATTEMPTS {
        if let Some(opened) = read_once(directory, name, access)? {
            return Ok(opened);
        }
    }
    Err("changes while it is read".to_owned())
}

/// `None` when the file was written to meanwhile.
fn read_once(
    directory: &Directory,
    name: &OsStr,
    access: Access,
) -> Result<Option<Opened>, String> {
    // A FIFO must not hold us, nor a terminal become ours.
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = match directory.open_file(name, flags) {
        Ok(file) => file,
        Err(Errno::ENOENT) if directory.has(name) => return Ok(Some(Opened::Dangling)),
        Err(Errno::ENOENT) => return Ok(Some(Opened::Gone)),
        Err(errno) => return Err(failed("open", errno)),
    };
    let before = stat(&file)?;
    match before.st_mode & SFlag::S_IFMT.bits() {
        kind if kind == SFlag::S_IFREG.bits() => {}
        kind if kind == SFlag::S_IFCHR.bits() && before.st_rdev == makedev(1, 3) => {
            return Ok(Some(Opened::Null));
        }
        kind if kind == SFlag::S_IFDIR.bits() => return Err("is a directory".to_owned()),
        _ => return Err("is not a regular file".to_owned()),
    }
    check_access(&before, access)?;
    let content = content(&file, before.st_size)?;
    let after = stat(&file)?;
    let version = Version::of(&before);
    if version != Version::of(&after) {
        return Ok(None);
    }
    Ok(Some(if content.is_empty() {
        Opened::Empty(version)
    } else {
        Opened::Content(content)
    }))
}

/// All of a file of this size. That there is no more is known from its size afterwards, which saves a read.
fn content(mut file: &File, size: i64) -> Result<Vec<u8>, String> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size > SIZE_LIMIT {
        return Err(format!("is larger than {SIZE_LIMIT} bytes"));
    }
    let mut content = vec![0; size];
    match file.read_exact(&mut content) {
        // It has become shorter, which its version tells.
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(content),
        Err(e) => Err(failed_io("read", &e)),
        Ok(()) => Ok(content),
    }
}

fn stat(file: impl AsFd) -> Result<FileStat, String> {
    fstat(file).map_err(|errno| failed("fstat", errno))
}

/// What changes when a file is written to or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    fn of(stat: &FileStat) -> Version {
        Version {
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}
