//! Which file a container's program is, before the container exists.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::sys::statfs::{FUSE_SUPER_MAGIC, fstatfs};

use crate::bundle::Config;
use crate::file_id::FileId;
use crate::sys;
use crate::view::{View, is_regular, normal};

/// Where programs are looked for when the container's environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The configuration names none.
    #[error("the configuration names no program")]
    None,
    /// The root file system cannot be opened.
    #[error("open the root file system {0}: {1}")]
    Rootfs(PathBuf, Errno),
    /// Not there, or no regular file.
    #[error("no file {0} below {1}")]
    Missing(String, PathBuf),
    /// A file system in user space could stall whoever answers for its files.
    #[error("{0} lies on a FUSE file system")]
    Fuse(PathBuf),
    /// Another call failed.
    #[error("stat {0}: {1}")]
    Stat(PathBuf, Errno),
}

/// A program below a container's root.
#[derive(Debug)]
pub struct Program {
    /// Stands for the file.
    pub file: OwnedFd,
    /// Its identity.
    pub id: FileId,
    /// The identity of the root file system's directory.
    pub rootfs: FileId,
}

/// Finds `args[0]` of `config`. Paths of the configuration are seen from `view`, relative ones from `bundle`.
pub fn find(view: &View, bundle: &Path, config: &Config) -> Result<Program, ProgramError> {
    let name = config
        .args
        .first()
        .filter(|name| !name.is_empty())
        .ok_or(ProgramError::None)?;
    let path = bundle.join(&config.rootfs);
    let rootfs = view
        .below(&path)
        .map_err(|errno| ProgramError::Rootfs(path.clone(), errno))?;
    let found = candidates(name, config)
        .into_iter()
        .find_map(|candidate| open(view, &rootfs, bundle, config, &candidate));
    let (file, at) = found.ok_or_else(|| ProgramError::Missing(name.clone(), path.clone()))?;
    check_file_system(&file, &at)?;
    let id = |fd, path: &Path| {
        sys::file_id(fd).map_err(|errno| ProgramError::Stat(path.to_owned(), errno))
    };
    Ok(Program {
        id: id(file.as_fd(), &at)?,
        rootfs: id(rootfs.as_fd(), &path)?,
        file,
    })
}

/// Refuses a file whose server could stall whoever opens it.
pub fn check_file_system(file: &OwnedFd, path: &Path) -> Result<(), ProgramError> {
    match fstatfs(file) {
        Ok(stat) if stat.filesystem_type() == FUSE_SUPER_MAGIC => {
            Err(ProgramError::Fuse(path.to_owned()))
        }
        Ok(_) => Ok(()),
        Err(errno) => Err(ProgramError::Stat(path.to_owned(), errno)),
    }
}

/// The absolute paths in the container that execvp would try.
fn candidates(name: &str, config: &Config) -> Vec<PathBuf> {
    if name.contains('/') {
        return vec![config.cwd.join(name)];
    }
    let path = config.env.iter().find_map(|e| e.strip_prefix("PATH="));
    path.unwrap_or(DEFAULT_PATH)
        .split(':')
        .map(|directory| config.cwd.join(directory).join(name))
        .collect()
}

/// Opens a file of the container: of its root, or of what will be mounted over that.
fn open(
    view: &View,
    rootfs: &View,
    bundle: &Path,
    config: &Config,
    path: &Path,
) -> Option<(OwnedFd, PathBuf)> {
    let path = normal(path);
    // The last one mounted covers the others.
    let bind = config.binds.iter().rev().find_map(|(destination, source)| {
        let rest = path.strip_prefix(normal(destination)).ok()?;
        Some((bundle.join(source), rest))
    });
    let file = match &bind {
        None => rootfs.file(&path),
        Some((source, rest)) if rest.as_os_str().is_empty() => view.file(source),
        Some((source, rest)) => view.below(source).and_then(|root| root.file(rest)),
    };
    let file = file.ok()?;
    let regular = fstat(&file).is_ok_and(|stat| is_regular(stat.st_mode));
    regular.then(|| (file, path.clone()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Scratch(tempfile::TempDir);

    impl Scratch {
        fn new() -> Scratch {
            let scratch = Scratch(tempfile::tempdir().unwrap());
            for directory in ["rootfs/bin", "rootfs/usr/bin", "volume"] {
                fs::create_dir_all(scratch.at(directory)).unwrap();
            }
            for file in [
                "rootfs/bin/busybox",
                "rootfs/usr/bin/tool",
                "volume/x",
                "init",
            ] {
                fs::write(scratch.at(file), file).unwrap();
            }
            symlink("/bin/busybox", scratch.at("rootfs/bin/sh")).unwrap();
            symlink(
                "../../../../../../../bin/true",
                scratch.at("rootfs/bin/out"),
            )
            .unwrap();
            scratch
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// The content of the file that is found.
        fn find(&self, args: &[&str], change: impl Fn(&mut Config)) -> String {
            let mut config = Config {
                args: args.iter().map(|a| (*a).to_owned()).collect(),
                env: vec!["PATH=/usr/bin:/bin".into()],
                cwd: "/".into(),
                rootfs: "rootfs".into(),
                ..Config::default()
            };
            change(&mut config);
            match find(&View::own().unwrap(), self.0.path(), &config) {
                Ok(program) => {
                    fs::read_to_string(crate::view::reopened(program.file.as_fd())).unwrap()
                }
                Err(error) => error.to_string(),
            }
        }
    }

    #[test]
    fn as_execvp_would_find_it() {
        let scratch = Scratch::new();
        let same = |_: &mut Config| {};
        assert_eq!(scratch.find(&["sh", "-c", "x"], same), "rootfs/bin/busybox");
        assert_eq!(scratch.find(&["/bin/sh"], same), "rootfs/bin/busybox");
        assert_eq!(scratch.find(&["tool"], same), "rootfs/usr/bin/tool");
        let there = |config: &mut Config| config.cwd = "/usr".into();
        assert_eq!(scratch.find(&["bin/tool"], there), "rootfs/usr/bin/tool");
        let no_path = |config: &mut Config| config.env.clear();
        assert_eq!(scratch.find(&["tool"], no_path), "rootfs/usr/bin/tool");
    }

    #[test]
    fn what_is_mounted_covers_the_root() {
        let scratch = Scratch::new();
        let volume = |config: &mut Config| {
            config.binds = vec![
                ("/bin".into(), "volume".into()),
                ("/i".into(), "init".into()),
            ];
        };
        assert_eq!(scratch.find(&["x"], volume), "volume/x");
        assert_eq!(scratch.find(&["/i", "sh"], volume), "init");
        assert!(scratch.find(&["sh"], volume).starts_with("no file sh"));
    }

    #[test]
    fn nothing_outside_of_the_root_is_found() {
        let scratch = Scratch::new();
        let same = |_: &mut Config| {};
        assert!(scratch.find(&["/bin/out"], same).starts_with("no file"));
        assert!(scratch.find(&["/bin"], same).starts_with("no file"));
        assert!(scratch.find(&[""], same).contains("no program"));
        let nowhere = |config: &mut Config| config.rootfs = "none".into();
        assert!(scratch.find(&["sh"], nowhere).starts_with("open the root"));
    }
}
