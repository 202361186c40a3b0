//! The directory of a tree and the files below it, opened by whole paths without following symbolic links.

use crate::errno::Errno;
use crate::fail::{self, finish, push_errno, push_number};
use crate::sys::{self, Buf, Fd, Ret, open};
use hook_tree::{TreeError, names};

/// The directory, and the path of the file at hand, which every failure names.
pub struct Tree {
    /// The directory.
    pub fd: Fd,
    path: Buf,
    /// Length of the directory's own path.
    base: usize,
}

impl Tree {
    /// Opens the directory. The path to it is trusted and may hold symbolic links.
    pub fn open(mut path: Buf) -> Tree {
        let fd = open_place(&mut path);
        Tree {
            fd,
            base: path.len(),
            path,
        }
    }

    /// Goes to a file in the directory.
    #[inline(never)]
    pub fn at(&mut self, name: &[u8]) {
        self.path.truncate(self.base);
        self.enter(name);
    }

    /// Goes to a file in the present one.
    #[inline(never)]
    pub fn enter(&mut self, name: &[u8]) {
        self.path.push(b"/");
        self.path.push(name);
    }

    /// Goes to the directory of a hook in the present one.
    pub fn enter_hook(&mut self, index: u32) {
        self.enter(b"");
        push_number(&mut self.path, index.into());
    }

    /// What [`Tree::back`] comes back to.
    pub fn place(&self) -> usize {
        self.path.len()
    }

    /// Goes back.
    pub fn back(&mut self, place: usize) {
        self.path.truncate(place);
    }

    /// Opens the file at hand.
    pub fn try_open(&mut self, flags: usize) -> Ret {
        sys::open_below(self.fd, self.path.text_from(self.base + 1), flags)
    }

    /// Opens the file at hand. `None` when it does not exist.
    #[inline(never)]
    pub fn get(&mut self, flags: usize) -> Option<Fd> {
        let opened = self.try_open(flags);
        match opened.errno() {
            Errno::ENOENT => return None,
            errno if opened.is_err() => self.failed(errno),
            _ => {}
        }
        Some(opened.fd())
    }

    /// Opens the regular file at hand for reading. `None` when it does not exist.
    #[inline(never)]
    pub fn file(&mut self) -> Option<Fd> {
        // Non-blocking, so that a FIFO in the place of the file cannot hold us.
        let file = self.get(open::READ | open::NONBLOCK)?;
        if !sys::is_regular(file) {
            self.explain(fail::WRONG_TYPE, b"not a regular file");
        }
        Some(file)
    }

    /// Appends a whole file of at most [`names::FILE_LIMIT`] bytes. False when it does not exist.
    #[inline(never)]
    pub fn read(&mut self, into: &mut Buf) -> bool {
        let start = into.len();
        let Some(file) = self.file() else {
            return false;
        };
        loop {
            let count = into.read_from(file, sys::READ_SIZE);
            if count.is_err() {
                self.failed(count.errno());
            }
            if into.len() - start > names::FILE_LIMIT {
                self.defect(TreeError::TooLarge);
            }
            if count.number() < sys::READ_SIZE {
                break;
            }
        }
        file.close();
        true
    }

    /// Ends the launcher: the file at hand cannot be opened or read.
    #[cold]
    #[inline(never)]
    pub fn failed(&mut self, errno: Errno) -> ! {
        let code = match errno {
            Errno::ENOENT => fail::MISSING,
            Errno::ENOTDIR | Errno::ELOOP => fail::WRONG_TYPE,
            _ => fail::ACCESS,
        };
        self.failed_as(code, b"open(", errno)
    }

    /// Ends the launcher: a call on the file at hand failed.
    #[cold]
    #[inline(never)]
    pub fn failed_as(&mut self, code: u8, call: &[u8], errno: Errno) -> ! {
        let mut text = Buf::new();
        text.push(call);
        text.push(self.path.bytes());
        text.push(b")");
        push_errno(&mut text, errno);
        finish(code, &text)
    }

    /// Ends the launcher when the file at hand is malformed.
    #[inline(never)]
    pub fn check(&mut self, result: Result<(), TreeError>) {
        if let Err(error) = result {
            self.defect(error);
        }
    }

    /// Ends the launcher: the file at hand is malformed.
    #[cold]
    pub fn defect(&mut self, error: TreeError) -> ! {
        self.explain(error.code(), error.bytes())
    }

    #[cold]
    #[inline(never)]
    fn explain(&mut self, code: u8, why: &[u8]) -> ! {
        self.path.push(b": ");
        self.path.push(why);
        finish(code, &self.path)
    }
}

/// Opens a directory as a place, by a path that is trusted.
#[inline(never)]
pub fn open_place(path: &mut Buf) -> Fd {
    let opened = sys::openat(path.text(), open::PATH | open::DIRECTORY);
    if opened.is_err() {
        let mut text = Buf::new();
        text.push(b"open(");
        text.push(path.bytes());
        text.push(b")");
        push_errno(&mut text, opened.errno());
        finish(fail::DIRECTORY, &text)
    }
    opened.fd()
}
