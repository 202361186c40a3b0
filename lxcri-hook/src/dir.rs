//! Directories and files of a tree: opened one path component at a time, without following symbolic links.

use crate::errno::Errno;
use crate::fail::{self, describe_call, finish};
use crate::sys::{self, Buf, Fd, Str, open};
use hook_tree::{TreeError, names};

/// An open directory that knows its name, for messages.
pub struct Dir<'a> {
    /// The descriptor.
    pub fd: Fd,
    name: Str<'a>,
    parent: Option<&'a Dir<'a>>,
}

impl<'a> Dir<'a> {
    /// Opens a directory by its path. The path to it is trusted and may hold symbolic links.
    pub fn open(name: Str<'a>) -> Dir<'a> {
        Dir {
            fd: open_place(name),
            name,
            parent: None,
        }
    }

    /// Opens a directory in this one, as a place (`open::PATH`) or to be listed. `None` when it does not exist.
    pub fn below(&'a self, name: Str<'a>, flags: usize) -> Option<Dir<'a>> {
        self.open_at(name, flags | open::DIRECTORY).map(|fd| Dir {
            fd,
            name,
            parent: Some(self),
        })
    }

    /// Opens a directory in this one that must exist.
    pub fn require(&'a self, name: Str<'a>) -> Dir<'a> {
        match self.below(name, open::PATH) {
            Some(dir) => dir,
            None => self.failed(name, Errno::ENOENT),
        }
    }

    fn open_at(&self, name: Str, flags: usize) -> Option<Fd> {
        let opened = sys::openat(Some(self.fd), name, flags | open::NOFOLLOW);
        if opened.is_err() && opened.errno() != Errno::ENOENT {
            self.failed(name, opened.errno());
        }
        opened.fd()
    }

    /// Opens a regular file for reading. `None` when it does not exist.
    pub fn file(&self, name: Str) -> Option<Fd> {
        // Non-blocking, so that a FIFO in the place of the file cannot hold us.
        let file = self.open_at(name, open::READ | open::NONBLOCK)?;
        if !sys::fstat(file).is_regular() {
            self.explain(fail::WRONG_TYPE, name, b"not a regular file");
        }
        Some(file)
    }

    /// Reads a whole file of at most [`names::FILE_LIMIT`] bytes. False when it does not exist.
    pub fn read(&self, name: Str, into: &mut Buf) -> bool {
        into.clear();
        let Some(file) = self.file(name) else {
            return false;
        };
        loop {
            let count = into.read_from(file, 4096);
            if count.is_err() {
                self.failed(name, count.errno());
            }
            if into.bytes().len() > names::FILE_LIMIT {
                self.defect(name, TreeError::TooLarge);
            }
            if count.number() == 0 {
                file.close();
                return true;
            }
        }
    }

    /// Reads a whole file that must exist.
    pub fn read_required(&self, name: Str, into: &mut Buf) {
        if !self.read(name, into) {
            self.failed(name, Errno::ENOENT);
        }
    }

    /// Ends the launcher: a file in this directory cannot be opened or read.
    #[cold]
    #[inline(never)]
    pub fn failed(&self, name: Str, errno: Errno) -> ! {
        let code = match errno {
            Errno::ENOENT => fail::MISSING,
            Errno::ENOTDIR | Errno::ELOOP => fail::WRONG_TYPE,
            _ => fail::ACCESS,
        };
        self.failed_as(code, text!("open"), name, errno)
    }

    /// Ends the launcher: a call on a file in this directory failed.
    #[cold]
    pub fn failed_as(&self, code: u8, call: Str, name: Str, errno: Errno) -> ! {
        let mut path = Buf::new();
        self.append_path(&mut path, name);
        let mut text = Buf::new();
        describe_call(&mut text, call, Some(path.text()), errno);
        finish(code, &text)
    }

    /// Ends the launcher when a file in this directory is malformed.
    #[inline(never)]
    pub fn check(&self, name: Str, result: core::result::Result<(), TreeError>) {
        if let Err(error) = result {
            self.defect(name, error);
        }
    }

    /// Ends the launcher: a file in this directory, or the directory itself, is malformed.
    #[cold]
    #[inline(never)]
    pub fn defect(&self, name: Str, error: TreeError) -> ! {
        self.explain(error.code(), name, error.text().as_bytes())
    }

    #[cold]
    fn explain(&self, code: u8, name: Str, why: &[u8]) -> ! {
        let mut text = Buf::new();
        self.append_path(&mut text, name);
        text.push(b": ");
        text.push(why);
        finish(code, &text)
    }

    /// Appends the path of a file in this directory, or of the directory itself when the name is empty.
    fn append_path(&self, path: &mut Buf, name: Str) {
        match self.parent {
            Some(parent) => parent.append_path(path, self.name),
            None => path.push_text(self.name),
        }
        if !name.bytes().is_empty() {
            path.push(b"/");
            path.push_text(name);
        }
    }
}

/// Opens a directory as a place, by a path that is trusted.
pub fn open_place(path: Str) -> Fd {
    let opened = sys::openat(None, path, open::PATH | open::DIRECTORY);
    opened.or_die(fail::DIRECTORY, text!("open"), Some(path));
    match opened.fd() {
        Some(fd) => fd,
        None => sys::exit(fail::INTERNAL),
    }
}
