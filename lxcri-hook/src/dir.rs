//! Directories and files of a tree: opened one path component at a time, without following symbolic links.

use crate::errno::Errno;
use crate::fail::{self, Failure, Result};
use crate::sys::{self, Buf, Fd, open};
use core::ffi::CStr;
use hook_tree::{TreeError, names};

/// An open directory that knows its name, for messages.
pub struct Dir<'a> {
    fd: Fd,
    name: &'a [u8],
    parent: Option<&'a Dir<'a>>,
}

impl<'a> Dir<'a> {
    /// Opens a directory by its path. The path to it is trusted and may hold symbolic links.
    pub fn open(name: &'a [u8]) -> Result<Dir<'a>> {
        let path = Buf::concat(&[name, b"\0"]);
        let path = CStr::from_bytes_until_nul(path.bytes()).unwrap_or_default();
        match sys::openat(None, path, open::PATH | open::DIRECTORY) {
            Ok(fd) => Ok(Dir {
                fd,
                name,
                parent: None,
            }),
            Err(errno) => Err(Failure::of_call(fail::DIRECTORY, b"open", name, errno)),
        }
    }

    /// Opens a directory in this one, as a place (`open::PATH`) or to be listed. `None` when it does not exist.
    pub fn below(&'a self, name: &'a CStr, flags: usize) -> Result<Option<Dir<'a>>> {
        let fd = self.open_at(name, flags | open::DIRECTORY, fail::DIRECTORY)?;
        Ok(fd.map(|fd| Dir {
            fd,
            name: name.to_bytes(),
            parent: Some(self),
        }))
    }

    /// Opens a directory in this one that must exist.
    pub fn require(&'a self, name: &'a CStr, flags: usize) -> Result<Dir<'a>> {
        self.below(name, flags)?
            .ok_or_else(|| self.missing(fail::MISSING, name))
    }

    fn open_at(&self, name: &CStr, flags: usize, code: u8) -> Result<Option<Fd>> {
        match sys::openat(Some(&self.fd), name, flags | open::NOFOLLOW) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => {
                let wrong_type = matches!(errno, Errno::ENOTDIR | Errno::ELOOP);
                Err(self.failed(
                    if wrong_type { fail::WRONG_TYPE } else { code },
                    b"openat",
                    name,
                    errno,
                ))
            }
        }
    }

    /// Opens a regular file for reading. `None` when it does not exist.
    pub fn file(&self, name: &CStr) -> Result<Option<Fd>> {
        // Non-blocking, so that a FIFO in the place of the file cannot hold us.
        let Some(file) = self.open_at(name, open::READ | open::NONBLOCK, fail::ACCESS)? else {
            return Ok(None);
        };
        let stat =
            sys::fstat(&file).map_err(|errno| self.failed(fail::ACCESS, b"fstat", name, errno))?;
        if !stat.is_regular() {
            return Err(self.explained(fail::WRONG_TYPE, name, b"not a regular file"));
        }
        Ok(Some(file))
    }

    /// Reads a whole file of at most [`names::FILE_LIMIT`] bytes. False when it does not exist.
    pub fn read(&self, name: &CStr, into: &mut Buf) -> Result<bool> {
        into.clear();
        let Some(file) = self.file(name)? else {
            return Ok(false);
        };
        loop {
            match into.read_from(&file, 4096) {
                Ok(0) => return Ok(true),
                Ok(_) if into.bytes().len() > names::FILE_LIMIT => {
                    return Err(self.defect(name, TreeError::TooLarge));
                }
                Ok(_) => {}
                Err(errno) => return Err(self.failed(fail::ACCESS, b"read", name, errno)),
            }
        }
    }

    /// Reads a whole file that must exist.
    pub fn read_required(&self, name: &CStr, into: &mut Buf) -> Result<()> {
        if self.read(name, into)? {
            Ok(())
        } else {
            Err(self.missing(fail::MISSING, name))
        }
    }

    /// The descriptor.
    pub fn fd(&self) -> &Fd {
        &self.fd
    }

    /// Replaces the descriptor by one with another number.
    pub fn set_fd(&mut self, fd: Fd) {
        self.fd = fd;
    }

    /// A failed system call on a file in this directory.
    pub fn failed(&self, code: u8, call: &[u8], name: &CStr, errno: Errno) -> Failure {
        Failure::of_call(code, call, self.path_of(name).bytes(), errno)
    }

    /// A file in this directory that does not exist.
    pub fn missing(&self, code: u8, name: &CStr) -> Failure {
        self.failed(code, b"openat", name, Errno::ENOENT)
    }

    /// A defect of a file in this directory.
    pub fn defect(&self, name: &CStr, error: TreeError) -> Failure {
        self.explained(error.code(), name, error.text().as_bytes())
    }

    fn explained(&self, code: u8, name: &CStr, why: &[u8]) -> Failure {
        Failure::new(code, &[self.path_of(name).bytes(), b": ", why])
    }

    /// The path of a file in this directory.
    fn path_of(&self, name: &CStr) -> Buf {
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
            path.append(&[b"/"]);
        }
        path.append(&[self.name]);
    }
}
