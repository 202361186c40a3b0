//! Resolution beneath a hostile root; needs no privilege.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use tempfile::TempDir;

use super::*;

/// A directory with `root`, and `outside` next to it.
fn scene() -> (TempDir, Root) {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("root")).unwrap();
    fs::create_dir(dir.path().join("outside")).unwrap();
    let root = Root::open(&dir.path().join("root")).unwrap();
    (dir, root)
}

fn path_of(fd: &OwnedFd) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap()
}

#[test]
fn missing_components_are_made_where_symlinks_point_to_inside() {
    let (dir, root) = scene();
    let base = dir.path().join("root");
    symlink("/run/../lib", base.join("absolute")).unwrap();
    symlink("../../../up", base.join("dotdot")).unwrap();
    symlink(dir.path().join("outside"), base.join("out")).unwrap();
    for (path, leaf, found) in [
        ("/absolute/a", Leaf::Directory, "lib/a".to_owned()),
        ("/dotdot", Leaf::File, "up".to_owned()),
        ("/x/y", Leaf::File, "x/y".to_owned()),
        (
            "/out/in",
            Leaf::Directory,
            format!(
                "{}/in",
                dir.path()
                    .join("outside")
                    .strip_prefix("/")
                    .unwrap()
                    .display()
            ),
        ),
    ] {
        let place = root.make(Path::new(path), leaf, false).unwrap();
        assert!(!place.existed);
        assert_eq!(path_of(&place.fd), base.join(&found), "{path}");
        assert_eq!(base.join(&found).is_dir(), leaf == Leaf::Directory);
        assert!(root.make(Path::new(path), leaf, false).unwrap().existed);
    }
    assert_eq!(fs::read_dir(dir.path().join("outside")).unwrap().count(), 0);
}

#[test]
fn real_paths_take_no_symlink() {
    let (dir, root) = scene();
    let base = dir.path().join("root");
    fs::create_dir(base.join("dir")).unwrap();
    symlink("dir", base.join("link")).unwrap();
    assert!(
        root.make(Path::new("/link/x"), Leaf::Directory, true)
            .is_err()
    );
    assert!(root.lookup(Path::new("/link"), true).is_err());
    assert!(
        root.make(Path::new("/dir/x"), Leaf::Directory, true)
            .is_ok()
    );
    assert!(!base.join("dir/y").exists());
}

#[test]
fn missing_is_not_an_error_to_lookup() {
    let (dir, root) = scene();
    fs::write(dir.path().join("root/file"), "").unwrap();
    symlink("nowhere", dir.path().join("root/dangling")).unwrap();
    for path in ["/missing", "/file/below", "/dangling"] {
        assert!(
            root.lookup(Path::new(path), false).unwrap().is_none(),
            "{path}"
        );
    }
    assert!(root.lookup(Path::new("/file"), false).unwrap().is_some());
}

/// Another container that shares a volume swaps a directory for a symlink all the time.
#[test]
fn races_lead_nowhere_else() {
    let (dir, root) = scene();
    let base = dir.path().join("root");
    let (live, spare) = (base.join("live"), base.join("spare"));
    fs::create_dir(&live).unwrap();
    symlink(dir.path().join("outside"), &spare).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat2(
                    AT_FDCWD,
                    &live,
                    AT_FDCWD,
                    &spare,
                    RenameFlags::RENAME_EXCHANGE,
                )
                .unwrap();
            }
        });
        for number in 0..2000 {
            // It may fail in between; it may not leave.
            let path = format!("/live/{number}/x");
            if let Ok(place) = root.make(Path::new(&path), Leaf::Directory, false) {
                assert!(path_of(&place.fd).starts_with(&base));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_dir(dir.path().join("outside")).unwrap().count(), 0);
}

#[test]
fn nothing_is_made_where_the_guest_directory_lies() {
    let dir = TempDir::new().unwrap();
    let guest = dir.path().join(".lxcri");
    fs::create_dir(&guest).unwrap();
    symlink("/.lxcri", dir.path().join("link")).unwrap();
    let root = Root::open(dir.path()).unwrap();
    for path in ["/.lxcri", "/.lxcri/x", "/link", "/link/x", "/link/x/y"] {
        for leaf in [Leaf::Directory, Leaf::File] {
            let error = root.make(Path::new(path), leaf, false).unwrap_err();
            assert!(
                error.to_string().contains("belongs to the runtime"),
                "{path}: {error}"
            );
        }
    }
    for path in ["/.lxcri/n", "/link/n"] {
        root.make_parent(Path::new(path)).unwrap_err();
    }
    assert_eq!(fs::read_dir(&guest).unwrap().count(), 0);
}
