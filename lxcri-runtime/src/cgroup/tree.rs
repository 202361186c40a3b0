//! Walks and removes a cgroup with everything the container made below it.
//!
//! A container with a writable cgroup mount can nest cgroups deeper than a path can be long or a stack can grow, so
//! the walk goes by directory descriptors, holds two of them at a time and does not recurse.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::error::Error;
use super::files;

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Opens a cgroup's directory.
pub(super) fn open_dir(path: &Path) -> Result<OwnedFd, Error> {
    open(path, DIRECTORY, Mode::empty())
        .map_err(|e| Error::sys(format!("open({}, O_DIRECTORY)", path.display()), e))
}

/// Calls `each` for the cgroup at `root` and for each below it, parents first. A missing cgroup is an empty tree.
pub(super) fn visit(
    root: &Path,
    mut each: impl FnMut(BorrowedFd<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    walk(root, &mut each, |_, _| Ok(()))
}

/// Removes the cgroups below `root` that can be removed, deepest first; `root` itself stays. Cgroups that are in use stay
/// without an error.
pub(super) fn prune(root: &Path) -> Result<(), Error> {
    walk(root, &mut |_| Ok(()), |parent, name| {
        match unlinkat(parent, name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::EBUSY | Errno::ENOTEMPTY | Errno::ENOENT) => Ok(()),
            Err(e) => Err(Error::sys(
                format!("unlinkat(below {}, {name:?}, AT_REMOVEDIR)", root.display()),
                e,
            )),
        }
    })
}

fn walk(
    root: &Path,
    enter: &mut impl FnMut(BorrowedFd<'_>) -> Result<(), Error>,
    mut leave: impl FnMut(BorrowedFd<'_>, &CStr) -> Result<(), Error>,
) -> Result<(), Error> {
    let failed = |call: &str, e: Errno| Error::sys(format!("{call}(below {})", root.display()), e);
    let mut dir = match open_dir(root) {
        Ok(dir) => dir,
        Err(e) if files::gone(e.errno()) => return Ok(()),
        Err(e) => return Err(e),
    };
    enter(dir.as_fd())?;
    // For each level: the name of the directory, and its children that are still to be entered.
    let mut levels: Vec<(CString, Vec<CString>)> = vec![(
        CString::default(),
        children(dir.as_fd()).map_err(|e| failed("getdents", e))?,
    )];
    while let Some((_, pending)) = levels.last_mut() {
        if let Some(name) = pending.pop() {
            match openat(&dir, name.as_c_str(), DIRECTORY, Mode::empty()) {
                Ok(child) => {
                    enter(child.as_fd())?;
                    let below = children(child.as_fd()).map_err(|e| failed("getdents", e))?;
                    dir = child;
                    levels.push((name, below));
                }
                // Removed between listing and opening.
                Err(Errno::ENOENT | Errno::ENODEV) => {}
                Err(e) => return Err(failed("openat", e)),
            }
        } else if let Some((name, _)) = levels.pop()
            && !levels.is_empty()
        {
            dir = openat(&dir, c"..", DIRECTORY, Mode::empty()).map_err(|e| failed("openat", e))?;
            leave(dir.as_fd(), &name)?;
        }
    }
    Ok(())
}

/// The names of the cgroups directly below `dir`. A cgroup that is being removed has none.
fn children(dir: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let mut list = match Dir::openat(dir, c".", DIRECTORY, Mode::empty()) {
        Ok(list) => list,
        Err(Errno::ENOENT | Errno::ENODEV) => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut names = Vec::new();
    for entry in list.iter() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(Errno::ENOENT | Errno::ENODEV) => break,
            Err(e) => return Err(e),
        };
        let name = entry.file_name();
        if entry.file_type() == Some(Type::Directory) && name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_is_visited_once_parents_first() {
        let dir = tempfile::tempdir().unwrap();
        for below in ["a/b/c", "a/d", "e"] {
            std::fs::create_dir_all(dir.path().join(below)).unwrap();
        }
        std::fs::write(dir.path().join("a/file"), "").unwrap();
        let mut inodes = Vec::new();
        visit(dir.path(), |fd| {
            inodes.push(nix::sys::stat::fstat(fd).unwrap().st_ino);
            Ok(())
        })
        .unwrap();
        let inode = |below: &str| {
            use std::os::unix::fs::MetadataExt;
            std::fs::metadata(dir.path().join(below)).unwrap().ino()
        };
        let position = |below: &str| inodes.iter().position(|i| *i == inode(below)).unwrap();
        assert_eq!(inodes.len(), 6);
        assert!(position("a") < position("a/b") && position("a/b") < position("a/b/c"));
        assert_eq!(position(""), 0);
    }

    #[test]
    fn prune_takes_everything_below_but_not_the_root() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        std::fs::create_dir_all(dir.path().join("d")).unwrap();
        prune(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(dir.path().exists());
    }

    #[test]
    fn a_tree_deeper_than_any_path_is_walked_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let name = CString::new("d".repeat(200)).unwrap();
        let mut at = open_dir(dir.path()).unwrap();
        for _ in 0..100 {
            nix::sys::stat::mkdirat(&at, name.as_c_str(), Mode::S_IRWXU).unwrap();
            at = openat(&at, name.as_c_str(), DIRECTORY, Mode::empty()).unwrap();
        }
        let mut seen = 0;
        visit(dir.path(), |_| {
            seen += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, 101);
        prune(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_tree_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        visit(&dir.path().join("none"), |_| panic!("nothing to visit")).unwrap();
        prune(&dir.path().join("none")).unwrap();
    }
}
