//! Directories and files of a tree: opened one path component at a time, without following symbolic links.

use crate::errno::Errno;
use crate::fail::{self, OrDie, die, die_of};
use crate::sys::{self, Buf, Fd, open};
use core::ffi::CStr;
use hook_tree::{TreeError, names};

/// An open directory that knows its name, for messages.
#[derive(Clone, Copy)]
pub struct Dir<'a> {
    /// The descriptor.
    pub fd: Fd,
    name: &'a [u8],
    parent: Option<&'a Dir<'a>>,
}

impl<'a> Dir<'a> {
    /// Opens a directory by its path. The path to it is trusted and may hold symbolic links.
    pub fn open(name: &'a [u8]) -> Dir<'a> {
        let path = Buf::concat(&[name, b"\0"]);
        let opened = sys::openat(None, path.string(), open::PATH | open::DIRECTORY);
        Dir {
            fd: opened.or_die(fail::DIRECTORY, b"open", name),
            name,
            parent: None,
        }
    }

    /// Opens a directory in this one, as a place (`open::PATH`) or to be listed. `None` when it does not exist.
    pub fn below(&'a self, name: &'a CStr, flags: usize) -> Option<Dir<'a>> {
        let fd = self.open_at(name, flags | open::DIRECTORY)?;
        Some(Dir {
            fd,
            name: name.to_bytes(),
            parent: Some(self),
        })
    }

    /// Opens a directory in this one that must exist.
    pub fn require(&'a self, name: &'a CStr) -> Dir<'a> {
        match self.below(name, open::PATH) {
            Some(dir) => dir,
            None => self.missing(fail::MISSING, name),
        }
    }

    fn open_at(&self, name: &CStr, flags: usize) -> Option<Fd> {
        match sys::openat(Some(self.fd), name, flags | open::NOFOLLOW) {
            Ok(fd) => Some(fd),
            Err(Errno::ENOENT) => None,
            Err(errno @ (Errno::ENOTDIR | Errno::ELOOP)) => {
                self.failed(fail::WRONG_TYPE, name, errno)
            }
            Err(errno) => self.failed(fail::ACCESS, name, errno),
        }
    }

    /// Opens a regular file for reading. `None` when it does not exist.
    pub fn file(&self, name: &CStr) -> Option<Fd> {
        // Non-blocking, so that a FIFO in the place of the file cannot hold us.
        let file = self.open_at(name, open::READ | open::NONBLOCK)?;
        match sys::fstat(file) {
            Ok(stat) if stat.is_regular() => Some(file),
            _ => self.explain(fail::WRONG_TYPE, name, b"not a regular file"),
        }
    }

    /// Reads a whole file of at most [`names::FILE_LIMIT`] bytes. False when it does not exist.
    pub fn read(&self, name: &CStr, into: &mut Buf) -> bool {
        into.clear();
        let Some(file) = self.file(name) else {
            return false;
        };
        loop {
            match into.read_from(file, 4096) {
                Ok(0) => break,
                Ok(_) if into.bytes().len() > names::FILE_LIMIT => {
                    self.defect(name, TreeError::TooLarge)
                }
                Ok(_) => {}
                Err(errno) => self.failed(fail::ACCESS, name, errno),
            }
        }
        file.close();
        true
    }

    /// Reads a whole file that must exist.
    pub fn read_required(&self, name: &CStr, into: &mut Buf) {
        if !self.read(name, into) {
            self.missing(fail::MISSING, name);
        }
    }

    /// Ends the launcher: a file in this directory cannot be opened or read.
    #[cold]
    pub fn failed(&self, code: u8, name: &CStr, errno: Errno) -> ! {
        die_of(code, b"open", self.path_of(name).bytes(), errno)
    }

    /// Ends the launcher: a file in this directory does not exist.
    #[cold]
    pub fn missing(&self, code: u8, name: &CStr) -> ! {
        self.failed(code, name, Errno::ENOENT)
    }

    /// Ends the launcher: a file in this directory is malformed.
    #[cold]
    pub fn defect(&self, name: &CStr, error: TreeError) -> ! {
        self.explain(error.code(), name, error.text().as_bytes())
    }

    #[cold]
    fn explain(&self, code: u8, name: &CStr, why: &[u8]) -> ! {
        die(code, &[self.path_of(name).bytes(), b": ", why])
    }

    /// The path of a file in this directory, or of the directory itself when the name is empty.
    pub fn path_of(&self, name: &CStr) -> Buf {
        let mut path = Buf::new();
        self.append_path(&mut path);
        if !name.is_empty() {
            path.append(&[b"/", name.to_bytes()]);
        }
        path
    }

    fn append_path(&self, path: &mut Buf) {
        if let Some(parent) = self.parent {
            parent.append_path(path);
            path.push(b"/");
        }
        path.push(self.name);
    }
}
