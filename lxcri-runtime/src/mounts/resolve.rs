//! Finds and makes paths beneath a rootfs that must not be trusted.
//!
//! Every step is taken on descriptors, so that neither a symlink of the image nor a rename by another container that
//! shares a volume can lead outside.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use hook_tree::names;
use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::stat::{FileStat, Mode, SFlag};

use super::error::{CallError, Error};
use super::kernel;

/// As in the kernel (MAXSYMLINKS).
const MAX_SYMLINKS: usize = 40;

/// More components than any path can have (PATH_MAX for each symlink would be 40 × 2048, which no one means).
const MAX_STEPS: usize = 16_384;

/// What a missing last component becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Directory,
    File,
}

/// A place that exists, perhaps just now.
#[derive(Debug)]
pub(super) struct Place {
    /// O_PATH descriptor.
    pub(super) fd: OwnedFd,
    /// It was there before.
    pub(super) existed: bool,
}

/// The container's root directory.
#[derive(Debug)]
pub(super) struct Root {
    fd: OwnedFd,
    /// Device and inode of what holds the guest directory's place, in which nothing may be made.
    reserved: Option<(u64, u64)>,
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Root {
    /// Opens the topmost mount at `path`, a path of the host's that is trusted.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(path, flags, Mode::empty())
            .map_err(|errno| CallError::new(format!("open({})", path.display()), errno))?;
        let reserved = OsStr::new(names::GUEST_MOUNT.trim_start_matches('/'));
        let reserved = match kernel::open_at(fd.as_fd(), reserved, OFlag::O_PATH) {
            Ok(reserved) => Some(identity(&kernel::stat(&reserved, names::GUEST_MOUNT)?)),
            Err(error) if error.errno == Errno::ENOENT => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { fd, reserved })
    }

    /// Finds `path`; `None` if it is missing. With `real`, no component may be a symlink.
    pub(super) fn lookup(&self, path: &Path, real: bool) -> Result<Option<OwnedFd>, Error> {
        let resolve = if real {
            ResolveFlag::RESOLVE_NO_SYMLINKS
        } else {
            ResolveFlag::empty()
        };
        match kernel::open_in_root(self, path, OFlag::O_PATH, resolve) {
            Ok(fd) => {
                self.check(&fd, path)?;
                Ok(Some(fd))
            }
            Err(error) if matches!(error.errno, Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(error) if real && error.errno == Errno::ELOOP => Err(symlink_refused(path)),
            Err(error) => Err(error.into()),
        }
    }

    /// Finds `path`, or makes it and every missing directory on the way (mode 0755, a file 0644).
    pub(super) fn make(&self, path: &Path, leaf: Leaf, real: bool) -> Result<Place, Error> {
        // A dangling symlink looks missing here; walking then makes what it points to, beneath the root.
        if let Some(fd) = self.lookup(path, real)? {
            return Ok(Place { fd, existed: true });
        }
        let fd = self.walk(path, leaf, real)?;
        self.check(&fd, path)?;
        Ok(Place { fd, existed: false })
    }

    /// The directory that holds `path`, made if missing, and the last component, which may be anything or missing.
    pub(super) fn make_parent<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a OsStr), Error> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::Unusable(format!("{} has no parent", path.display())));
        };
        if parent == Path::new("/") {
            let fd = self.fd.try_clone().map_err(|error| {
                CallError::new(
                    "dup(rootfs)",
                    Errno::from_raw(error.raw_os_error().unwrap_or(0)),
                )
            })?;
            return Ok((fd, name));
        }
        Ok((self.make(parent, Leaf::Directory, false)?.fd, name))
    }

    /// A symlink can lead back to the root itself, and a mount there would swallow the container; or to what is the runtime's.
    fn check(&self, fd: &OwnedFd, path: &Path) -> Result<(), Error> {
        let found = kernel::stat(fd, path.display())?;
        if identity(&kernel::stat(&self.fd, "rootfs")?) == identity(&found) {
            return Err(Error::Unusable(format!(
                "{} leads to the root itself",
                path.display()
            )));
        }
        self.check_reserved(&found, path)
    }

    fn check_reserved(&self, found: &FileStat, path: &Path) -> Result<(), Error> {
        if self.reserved == Some(identity(found)) {
            return Err(Error::Unusable(format!(
                "{} leads to {}, which belongs to the runtime",
                path.display(),
                names::GUEST_MOUNT
            )));
        }
        Ok(())
    }

    fn walk(&self, path: &Path, leaf: Leaf, real: bool) -> Result<OwnedFd, Error> {
        let mut todo = VecDeque::new();
        push(&mut todo, path);
        let mut trail: Vec<OwnedFd> = Vec::new();
        let mut symlinks = 0;
        for _ in 0..MAX_STEPS {
            let Some(name) = todo.pop_front() else {
                return trail.pop().ok_or_else(|| {
                    Error::Unusable(format!("{} leads to the root itself", path.display()))
                });
            };
            if name == ".." {
                trail.pop();
                continue;
            }
            let here = trail.last().map_or(self.fd.as_fd(), AsFd::as_fd);
            let fd = match kernel::open_at(here, &name, OFlag::O_PATH) {
                Ok(fd) => fd,
                Err(error) if error.errno == Errno::ENOENT => {
                    let leaf = if todo.is_empty() {
                        leaf
                    } else {
                        Leaf::Directory
                    };
                    create(here, &name, leaf)?;
                    // Opened like any other: whoever replaced it meanwhile gains nothing.
                    todo.push_front(name);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let stat = kernel::stat(&fd, name.display())?;
            if kernel::kind(&stat) != SFlag::S_IFLNK {
                if !todo.is_empty() && !kernel::is_directory(&stat) {
                    return Err(CallError::new(
                        format!("openat({})", path.display()),
                        Errno::ENOTDIR,
                    )
                    .into());
                }
                self.check_reserved(&stat, path)?;
                trail.push(fd);
                continue;
            }
            symlinks += 1;
            if real {
                return Err(symlink_refused(path));
            }
            // In procfs a symlink may lead anywhere whatever its text says.
            if symlinks > MAX_SYMLINKS || kernel::is_procfs(&fd, name.display())? {
                return Err(
                    CallError::new(format!("openat({})", path.display()), Errno::ELOOP).into(),
                );
            }
            let target = kernel::read_link(&fd, name.display())?;
            if target.as_encoded_bytes().first() == Some(&b'/') {
                trail.clear();
            }
            push(&mut todo, Path::new(&target));
        }
        Err(CallError::new(format!("openat({})", path.display()), Errno::ELOOP).into())
    }
}

/// Device and inode.
fn identity(stat: &FileStat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// Puts the components of `path` before those that wait already.
fn push(todo: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => todo.push_front(name.to_owned()),
            Component::ParentDir => todo.push_front(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

fn create(dir: BorrowedFd<'_>, name: &OsStr, leaf: Leaf) -> Result<(), CallError> {
    let result = match leaf {
        Leaf::Directory => kernel::make_directory(dir, name, Mode::from_bits_truncate(0o755)),
        Leaf::File => kernel::make_file(dir, name, Mode::from_bits_truncate(0o644)).map(drop),
    };
    match result {
        // Another container made it at the same moment.
        Err(error) if error.errno == Errno::EEXIST => Ok(()),
        other => other,
    }
}

fn symlink_refused(path: &Path) -> Error {
    Error::Unusable(format!(
        "{}: a component is a symlink, which is not allowed here",
        path.display()
    ))
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
