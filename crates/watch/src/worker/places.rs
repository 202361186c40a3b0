//! Where a change may make another file of a path.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Most symlinks that are followed, as many as the kernel follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// A name in a directory. The directory has no symlink in its path.
pub type Place = (PathBuf, OsString);

/// The names that are looked up on the way to the file at an absolute path, each with the directory in which it is looked
/// up: those of directories, of symlinks and of the file itself. The last one is missing if there is no file.
pub fn on_the_way(path: &Path) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    let mut rest: VecDeque<OsString> = components(path).collect();
    let mut here = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        match Path::new(&name).components().next() {
            Some(Component::RootDir) => here = PathBuf::from("/"),
            Some(Component::ParentDir) => _ = here.pop(),
            Some(Component::Normal(_)) => {
                let next = here.join(&name);
                places.insert((here.clone(), name));
                if let Ok(target) = fs::read_link(&next) {
                    links += 1;
                    if links > MOST_LINKS {
                        break;
                    }
                    for name in components(&target).collect::<Vec<_>>().into_iter().rev() {
                        rest.push_front(name);
                    }
                } else if next.is_dir() {
                    here = next;
                } else {
                    break;
                }
            }
            _ => {}
        }
    }
    places
}

fn components(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().map(|part| part.as_os_str().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(directory: &Path, path: &str) -> Vec<String> {
        let places = on_the_way(&directory.join(path));
        let below = places.iter().filter(|(at, _)| at.starts_with(directory));
        let mut names: Vec<String> = below
            .map(|(at, name)| {
                let at = at.strip_prefix(directory).expect("below");
                at.join(name).display().to_string()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn every_link_and_directory_is_on_the_way() {
        let scratch = tempfile::tempdir().expect("tempdir");
        let top = scratch.path().canonicalize().expect("canonical");
        fs::create_dir_all(top.join("data/v1/bin")).expect("mkdir");
        fs::write(top.join("data/v1/bin/runc-1"), "").expect("write");
        symlink("v1", top.join("data/current")).expect("symlink");
        symlink("./runc-1", top.join("data/v1/bin/runc")).expect("symlink");
        symlink(top.join("data/../data/current"), top.join("opt")).expect("symlink");
        let all = [
            "data",
            "data/current",
            "data/v1",
            "data/v1/bin",
            "data/v1/bin/runc",
            "data/v1/bin/runc-1",
            "opt",
        ];
        assert_eq!(names(&top, "opt/bin/runc"), all);
    }

    #[test]
    fn the_first_missing_name_is_the_last() {
        let scratch = tempfile::tempdir().expect("tempdir");
        let top = scratch.path().canonicalize().expect("canonical");
        assert_eq!(names(&top, "a/b/runc"), ["a"]);
        fs::create_dir(top.join("a")).expect("mkdir");
        assert_eq!(names(&top, "a/b/runc"), ["a", "a/b"]);
        fs::write(top.join("a/b"), "").expect("write");
        assert_eq!(names(&top, "a/b/runc"), ["a", "a/b"]);
    }

    #[test]
    fn a_circle_ends() {
        let scratch = tempfile::tempdir().expect("tempdir");
        let top = scratch.path().canonicalize().expect("canonical");
        symlink("two", top.join("one")).expect("symlink");
        symlink("one", top.join("two")).expect("symlink");
        assert_eq!(names(&top, "one/runc"), ["one", "two"]);
    }
}
