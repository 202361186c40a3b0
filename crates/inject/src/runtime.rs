//! Which runtime is executed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

/// Where a bare name is looked for, in this order. PATH has no say: it is that of whoever called the engine, and what is
/// executed becomes root's.
pub const DIRS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Why no runtime can be executed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// None of the names leads to an executable file.
    #[error("no runtime: none of {} can be executed (looked for in {})", list(.0), DIRS.join(":"))]
    NotFound(Vec<OsString>),
    /// A path leads back to this program.
    #[error("runtime {}: is lxcri-inject itself", .0.display())]
    Itself(PathBuf),
}

fn list(names: &[OsString]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
    names.join(", ")
}

/// The path of the first of `names` that can be executed.
///
/// A bare name is looked for in [`DIRS`]. This program itself is passed over there, so that it may be installed under the
/// name of a runtime before that one; as an absolute path it is an error.
///
/// # Errors
/// When there is none, or a path is that of this program.
pub fn choose(names: &[OsString]) -> Result<PathBuf, RuntimeError> {
    choose_in(
        names,
        &DIRS.map(Path::new),
        identity(Path::new("/proc/self/exe")),
    )
}

/// A file by device and inode.
type Identity = Option<(u64, u64)>;

fn choose_in(names: &[OsString], dirs: &[&Path], own: Identity) -> Result<PathBuf, RuntimeError> {
    for name in names {
        let is_path = name.as_bytes().contains(&b'/');
        let found = if is_path {
            executable(Path::new(name)).then(|| PathBuf::from(name))
        } else {
            lookup(name, dirs, own)
        };
        match found {
            Some(path) if is_path && is_same(&path, own) => return Err(RuntimeError::Itself(path)),
            Some(path) => return Ok(path),
            None => {}
        }
    }
    Err(RuntimeError::NotFound(names.to_vec()))
}

fn lookup(name: &OsStr, dirs: &[&Path], own: Identity) -> Option<PathBuf> {
    let mut paths = dirs.iter().map(|dir| dir.join(name));
    paths.find(|path| executable(path) && !is_same(path, own))
}

fn executable(path: &Path) -> bool {
    faccessat(AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS).is_ok()
        && fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

fn identity(path: &Path) -> Identity {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn is_same(path: &Path, own: Identity) -> bool {
    own.is_some() && identity(path) == own
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn program(path: &Path, mode: u32) {
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_first_that_can_be_executed_wins() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("1"), dir.path().join("2"));
        fs::create_dir_all(two.join("runc")).unwrap();
        fs::create_dir(&one).unwrap();
        program(&one.join("crun"), 0o644);
        program(&two.join("crun"), 0o755);
        program(&one.join("youki"), 0o755);
        let dirs = [&*one, &*two];
        let choose = |names: &[&str]| {
            let names: Vec<OsString> = names.iter().map(OsString::from).collect();
            choose_in(&names, &dirs, None).map_err(|e| e.to_string())
        };
        assert_eq!(choose(&["runc", "crun", "youki"]), Ok(two.join("crun")));
        assert_eq!(choose(&["/nonexistent", "youki"]), Ok(one.join("youki")));
        assert_eq!(
            choose(&[two.join("crun").to_str().unwrap()]),
            Ok(two.join("crun"))
        );
        let error = choose(&["runc", "a\nb"]).unwrap_err();
        assert!(
            error.starts_with(r#"no runtime: none of "runc", "a\nb" can be executed"#),
            "{error}"
        );
    }

    #[test]
    fn this_program_is_passed_over_as_a_name_and_refused_as_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("1"), dir.path().join("2"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&two).unwrap();
        let own = dir.path().join("lxcri-inject");
        program(&own, 0o755);
        symlink(&own, one.join("runc")).unwrap();
        program(&two.join("runc"), 0o755);
        let choose = |name: &Path| choose_in(&[name.into()], &[&one, &two], identity(&own));
        assert_eq!(choose(Path::new("runc")), Ok(two.join("runc")));
        let path = one.join("runc");
        assert_eq!(choose(&path), Err(RuntimeError::Itself(path)));
    }
}
