//! Configuration files on disk: read whole, replaced whole, never seen half written.

use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::libc;
use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// More than any configuration file of an engine has.
const SIZE_LIMIT: u64 = 4 << 20;

/// Temporary files begin so, which also tells what a killed process has left behind.
const TEMPORARY: &str = ".lxcri-ctl-";

/// The mode of a file that is new.
const NEW_MODE: u32 = 0o644;

/// Reads a text file; `None` when there is none.
///
/// # Errors
/// When it is no regular file, larger than 4 MiB, or not UTF-8.
pub fn read(path: &Path) -> Result<Option<String>> {
    read_up_to(path, SIZE_LIMIT)
}

/// Reads a text file of at most `limit` bytes; `None` when there is none.
///
/// # Errors
/// When it is no regular file, larger, or not UTF-8.
pub fn read_up_to(path: &Path, limit: u64) -> Result<Option<String>> {
    let opened = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("open", path, e)),
    };
    let metadata = file.metadata().map_err(|e| Error::io("stat", path, e))?;
    if !metadata.is_file() {
        return Err(Error::file(path, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io("read", path, e))?;
    if bytes.len() as u64 > limit {
        return Err(Error::file(path, format!("larger than {limit} bytes")));
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| Error::file(path, "not UTF-8"))
}

/// The path of the file itself. A symlink is followed where nobody but root and the caller can change what it leads to.
///
/// # Errors
/// When somebody else can, or it leads nowhere.
pub fn resolve(path: &Path) -> Result<PathBuf> {
    let is_link = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_symlink(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(path.to_owned()),
        Err(e) => return Err(Error::io("stat", path, e)),
    };
    if !is_link {
        return Ok(path.to_owned());
    }
    let real = fs::canonicalize(path)
        .map_err(|e| Error::file(path, format!("a symlink that cannot be followed: {e}")))?;
    for place in path.ancestors().chain(real.ancestors()).skip(1) {
        if place.as_os_str().is_empty() {
            continue;
        }
        let metadata = fs::metadata(place).map_err(|e| Error::io("stat", place, e))?;
        if !trusted(&metadata) {
            let reason = format!(
                "a symlink, and others than root may write to {}",
                place.display()
            );
            return Err(Error::file(path, reason));
        }
    }
    Ok(real)
}

/// Whether only root and the caller can write to it; in a directory with the sticky bit others cannot replace their files.
pub fn trusted(metadata: &Metadata) -> bool {
    let owner = metadata.uid() == 0 || metadata.uid() == nix::unistd::geteuid().as_raw();
    let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
    owner && (metadata.mode() & 0o022 == 0 || sticky)
}

/// Replaces or makes a file: written beside it, flushed to disk, renamed. Mode and owner are those of the file that is
/// replaced, or of `like` for a new one.
///
/// # Errors
/// When it cannot be written; the old file is there then.
pub fn replace(path: &Path, content: &[u8], like: Option<&Path>) -> Result<()> {
    let directory = parent(path)?;
    sweep(directory);
    let model = fs::symlink_metadata(path)
        .ok()
        .or_else(|| like.and_then(|p| fs::metadata(p).ok()));
    let write = || -> std::io::Result<()> {
        let mut file = temporary_in(directory)?;
        file.as_file_mut().write_all(content)?;
        let mode = model.as_ref().map_or(NEW_MODE, |m| m.mode() & 0o7777);
        if let Some(model) = &model {
            let made = file.as_file().metadata()?;
            if (made.uid(), made.gid()) != (model.uid(), model.gid()) {
                fchown(file.as_file(), Some(model.uid()), Some(model.gid()))?;
            }
        }
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|e| Error::io("write", path, e))
}

/// A file that vanishes unless it is given a name. Only its owner can read it.
///
/// # Errors
/// As the system has them: what tempfile makes by itself hides their numbers in a text.
pub fn temporary_in(directory: &Path) -> std::io::Result<NamedTempFile> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(0o600);
    tempfile::Builder::new()
        .prefix(TEMPORARY)
        .make_in(directory, |path| options.open(path))
}

/// Removes a file; one that is not there is no error.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

/// The directories above `path` that do not exist, the outermost first.
pub(crate) fn missing_directories(path: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> = path
        .ancestors()
        .skip(1)
        .take_while(|d| !d.as_os_str().is_empty() && !d.exists())
        .map(Path::to_owned)
        .collect();
    missing.reverse();
    missing
}

/// Temporary files of a process that was killed. CRI-O reads every file of its directory, whatever its name.
pub(crate) fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(TEMPORARY.as_bytes())
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn parent(path: &Path) -> Result<&Path> {
    path.parent()
        .ok_or_else(|| Error::file(path, "not a path of a file"))
}
