//! Files as another process sees them: below its root directory and in its mount namespace, and never more than wanted.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be opened.
    #[error("open {0}: {1}")]
    Open(PathBuf, Errno),
    /// It is a FIFO, a device, a directory or a symlink.
    #[error("{0}: not a regular file")]
    NotRegular(PathBuf),
    /// It has more bytes than the limit.
    #[error("{0}: larger than {1} bytes")]
    TooLarge(PathBuf, u64),
    /// It cannot be read.
    #[error("read {0}: {1}")]
    Read(PathBuf, std::io::Error),
}

/// A root directory. Whatever is opened lies below it, wherever symlinks point.
#[derive(Debug)]
pub struct View(OwnedFd);

impl View {
    /// The root of a process.
    pub fn of(pid: i32) -> Result<View, Errno> {
        View::at(Path::new(&format!("/proc/{pid}/root")))
    }

    /// Our own.
    pub fn own() -> Result<View, Errno> {
        View::at(Path::new("/"))
    }

    fn at(path: &Path) -> Result<View, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(path, flags, Mode::empty()).map(View)
    }

    /// A directory in it as a view of its own.
    pub fn below(&self, path: &Path) -> Result<View, Errno> {
        self.path_fd(path, OFlag::O_DIRECTORY).map(View)
    }

    /// A path that the kernel tells of a file in it, which begins at the root of a mount namespace, as seen from this root.
    pub fn inside(&self, path: &Path) -> PathBuf {
        let root = std::fs::read_link(reopened(self.as_fd())).unwrap_or_default();
        match path.strip_prefix(&root) {
            Ok(rest) if root.is_absolute() => Path::new("/").join(rest),
            _ => path.to_owned(),
        }
    }

    /// The path of a directory without symlinks, `.` and `..`; what is not there is taken by the text of its path.
    pub fn canonical(&self, path: &Path) -> PathBuf {
        let found = self.below(path).ok();
        let told = found.and_then(|found| std::fs::read_link(reopened(found.as_fd())).ok());
        told.map_or_else(|| normal(path), |told| self.inside(&told))
    }

    /// A descriptor that stands for the file and reads nothing.
    pub fn file(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.path_fd(path, OFlag::empty())
    }

    fn path_fd(&self, path: &Path, more: OFlag) -> Result<OwnedFd, Errno> {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC | more)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        // An empty path is no path for openat2.
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        retry(|| openat2(&self.0, path, how))
    }

    /// Whether there is a file of any kind, a symlink included.
    pub fn exists(&self, path: &Path) -> bool {
        self.path_fd(path, OFlag::O_NOFOLLOW).is_ok()
    }

    /// The content of a regular file of at most `limit` bytes. The last component may not be a symlink.
    ///
    /// The file is looked at before it is opened, since opening a FIFO waits and opening a device may do anything.
    pub fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        let failed = |errno| ReadError::Open(path.to_owned(), errno);
        let found = self.path_fd(path, OFlag::O_NOFOLLOW).map_err(failed)?;
        let stat = fstat(&found).map_err(failed)?;
        if !is_regular(stat.st_mode) {
            return Err(ReadError::NotRegular(path.to_owned()));
        }
        let too_large = || ReadError::TooLarge(path.to_owned(), limit);
        if stat.st_size.unsigned_abs() > limit {
            return Err(too_large());
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let fd = open(&*reopened(found.as_fd()), flags, Mode::empty()).map_err(failed)?;
        let mut bytes = Vec::new();
        let count = File::from(fd)
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| ReadError::Read(path.to_owned(), e))?;
        // It may have grown since.
        if count as u64 > limit {
            return Err(too_large());
        }
        Ok(bytes)
    }
}

impl AsFd for View {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// An absolute path without `.` and `..`, by its text alone.
pub fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    normal
}

/// The path that leads to the file of a descriptor.
pub fn reopened(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Whether a mode is that of a regular file.
pub fn is_regular(mode: nix::libc::mode_t) -> bool {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFREG
}

/// openat2 gives up when a `..` is followed while something is renamed anywhere.
fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 0..16 {
        match call() {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            other => return other,
        }
    }
    Err(Errno::EAGAIN)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn view(directory: &Path) -> View {
        View::own().unwrap().below(directory).unwrap()
    }

    #[test]
    fn only_regular_files_of_some_size_are_read() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::write(at("good"), "abc").unwrap();
        fs::write(at("long"), "abcd").unwrap();
        nix::unistd::mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
        fs::create_dir(at("dir")).unwrap();
        symlink("good", at("link")).unwrap();
        File::create(at("sparse"))
            .unwrap()
            .set_len(1 << 30)
            .unwrap();
        let view = view(scratch.path());
        let read = |name: &str| match view.read(Path::new(name), 3) {
            Ok(bytes) => String::from_utf8(bytes).unwrap(),
            Err(error) => error.to_string(),
        };
        assert_eq!(read("good"), "abc");
        assert_eq!(read("long"), "long: larger than 3 bytes");
        assert_eq!(read("sparse"), "sparse: larger than 3 bytes");
        for name in ["fifo", "dir", "link"] {
            assert_eq!(read(name), format!("{name}: not a regular file"));
        }
        assert_eq!(read("none"), "open none: ENOENT: No such file or directory");
    }

    #[test]
    fn symlinks_stay_below_the_root() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::create_dir_all(at("root/etc")).unwrap();
        fs::write(at("root/etc/hostname"), "inside").unwrap();
        symlink("/etc", at("root/absolute")).unwrap();
        symlink("../../../../etc", at("root/relative")).unwrap();
        let view = view(&at("root"));
        for path in ["absolute/hostname", "relative/hostname", "/../etc/hostname"] {
            assert_eq!(
                view.read(Path::new(path), 100).unwrap(),
                b"inside",
                "{path}"
            );
        }
        assert!(view.exists(Path::new("absolute")) && !view.exists(Path::new("none")));
    }

    #[test]
    fn a_directory_has_one_path() {
        let scratch = tempfile::tempdir().unwrap();
        let own = scratch.path().canonicalize().unwrap();
        fs::create_dir_all(own.join("root/a/b")).unwrap();
        symlink("a/b", own.join("root/link")).unwrap();
        let chroot = view(&own.join("root"));
        for (path, expected) in [
            ("/a/./b/", "/a/b"),
            ("/a/b/../../a", "/a"),
            ("/../a", "/a"),
            // Not what its text says.
            ("/link/..", "/a"),
            ("/none/x/../y", "/none/y"),
            ("/", "/"),
        ] {
            assert_eq!(chroot.canonical(Path::new(path)), Path::new(expected));
            let outside = own.join("root").join(&path[1..]);
            let same = view(Path::new("/")).canonical(&outside);
            if !path.starts_with("/..") {
                let expected = own.join("root").join(&expected[1..]);
                assert_eq!(same, expected, "{path}");
            }
        }
        assert_eq!(chroot.inside(&own.join("root/a")), Path::new("/a"));
        assert_eq!(chroot.inside(Path::new("/else")), Path::new("/else"));
    }
}
