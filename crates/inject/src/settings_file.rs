//! The file inject.toml: its keys, and whether it may be trusted.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// More than any settings need, in bytes.
const SIZE_LIMIT: u64 = 64 << 10;

/// The keys of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Keys {
    pub runtimes: Option<Vec<String>>,
    pub hooks_dirs: Option<Vec<PathBuf>>,
    pub hooks_json: Option<PathBuf>,
    pub on_error: OnErrorKey,
    pub access: AccessKey,
    pub fsync: bool,
}

/// What a bad hook file means.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnErrorKey {
    #[default]
    Fail,
    Skip,
}

/// Who may own and write hook files.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AccessKey {
    #[default]
    RootOnly,
    Anyone,
}

/// A file that cannot be used.
#[derive(Debug)]
pub(crate) struct Unusable {
    /// Why, on one line.
    pub reason: String,
    /// The runtimes that it names all the same.
    pub runtimes: Option<Vec<String>>,
}

/// Reads the file. All keys have their defaults without one, unless it `must_exist`.
pub(crate) fn read(path: &Path, must_exist: bool) -> Result<Keys, Unusable> {
    let unusable = |reason| Unusable {
        reason,
        runtimes: None,
    };
    match text(path).map_err(unusable)? {
        Some(text) => parse(&text),
        None if must_exist => Err(unusable("does not exist".to_owned())),
        None => Ok(Keys::default()),
    }
}

/// The content of a file that only root, or who runs this program, can change: it says what root executes.
fn text(path: &Path) -> Result<Option<String>, String> {
    // A FIFO must not hold us.
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("open: {e}")),
    };
    let metadata = file.metadata().map_err(|e| format!("fstat: {e}"))?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let owner_is_fine = metadata.uid() == 0 || metadata.uid() == nix::unistd::geteuid().as_raw();
    if !owner_is_fine || metadata.mode() & 0o022 != 0 {
        return Err("can be written to by others than root".to_owned());
    }
    let mut text = String::new();
    file.take(SIZE_LIMIT + 1)
        .read_to_string(&mut text)
        .map_err(|e| format!("read: {e}"))?;
    if text.len() as u64 > SIZE_LIMIT {
        return Err(format!("is larger than {SIZE_LIMIT} bytes"));
    }
    Ok(Some(text))
}

fn parse(text: &str) -> Result<Keys, Unusable> {
    toml::from_str(text).map_err(|e| {
        let end = e.span().map_or(0, |span| span.start.min(text.len()));
        let line = 1 + text[..end].matches('\n').count();
        let message = e.message().replace('\n', ", ");
        Unusable {
            reason: format!("line {line}: {message}"),
            runtimes: runtimes(text),
        }
    })
}

/// The runtimes in a file that is wrong elsewhere, since its containers were made by one of them.
fn runtimes(text: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Runtimes {
        runtimes: Option<Vec<String>>,
    }
    toml::from_str::<Runtimes>(text).ok()?.runtimes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, reason) in [
            ("x = 1", "line 1: unknown field `x`, expected one of "),
            (
                "\nfsync = 1",
                "line 2: invalid type: integer `1`, expected a boolean",
            ),
            (
                "\n\non-error = \"never\"",
                "line 3: unknown variant `never`, expected `fail` or `skip`",
            ),
            ("access =", "line 1: "),
            ("fsync = true\nfsync = true", "line 2: duplicate key"),
        ] {
            let error = parse(text).unwrap_err().reason;
            assert!(error.starts_with(reason), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_runtimes_of_a_wrong_file_are_known_if_it_is_toml() {
        let error = parse("runtimes = [\"crun\"]\nx = 1").unwrap_err();
        assert_eq!(error.runtimes, Some(vec!["crun".to_owned()]));
        for text in ["runtimes = [\"crun\"]\nx =", "runtimes = 1", "x = 1"] {
            assert_eq!(parse(text).unwrap_err().runtimes, None, "{text}");
        }
    }

    #[test]
    fn a_file_that_others_may_change_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        assert!(read(&path, false).is_ok());
        assert_eq!(read(&path, true).unwrap_err().reason, "does not exist");
        std::fs::write(&path, "fsync = true").unwrap();
        assert!(read(&path, true).unwrap().fsync);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o664)).unwrap();
        let reason = "can be written to by others than root";
        assert_eq!(read(&path, false).unwrap_err().reason, reason);
        assert_eq!(
            read(dir.path(), false).unwrap_err().reason,
            "is not a regular file"
        );
    }
}
