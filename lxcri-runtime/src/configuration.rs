//! The configuration file: what an engine's command line has no room for.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use hooks_d::OnError;
use serde::Deserialize;

/// Where the file is looked for without `--config`.
pub const PATH: &str = "/etc/lxcri/lxcri.toml";

/// More than any configuration needs.
const SIZE_LIMIT: u64 = 64 << 10;

/// The content of the file. Options on the command line go before it.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Configuration {
    /// A file to which a line is appended for each hook that ran, an absolute path.
    pub hooks_log: Option<PathBuf>,
    /// Directories with hook files, absolute paths; a later one overrides files of the same name.
    #[serde(default)]
    pub hooks_dirs: Vec<PathBuf>,
    /// A hooks.json, an absolute path.
    pub hooks_json: Option<PathBuf>,
    /// What a bad hook file means.
    #[serde(default)]
    pub hooks_on_error: HooksOnError,
}

/// What a bad hook file means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HooksOnError {
    /// No container is created.
    #[default]
    Fail,
    /// Containers are created without its hooks.
    Skip,
}

impl From<HooksOnError> for OnError {
    fn from(on_error: HooksOnError) -> OnError {
        match on_error {
            HooksOnError::Fail => OnError::Fail,
            HooksOnError::Skip => OnError::Skip,
        }
    }
}

/// Reads the file. Without one at its usual place everything has its default; one that was asked for must be there.
///
/// It says where root writes, so nobody but root (or who runs this program) may be able to change it.
pub fn load(asked: Option<&Path>) -> Result<Configuration> {
    let path = asked.unwrap_or(Path::new(PATH));
    let context = || format!("configuration {}", path.display());
    let opened = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound && asked.is_none() => {
            return Ok(Configuration::default());
        }
        Err(e) => return Err(anyhow!(e)).with_context(context),
    };
    let metadata = file.metadata().with_context(context)?;
    if !metadata.is_file() {
        bail!("{}: not a regular file", context());
    }
    let owner_is_fine = metadata.uid() == 0 || metadata.uid() == nix::unistd::geteuid().as_raw();
    if !owner_is_fine || metadata.mode() & 0o022 != 0 {
        bail!("{}: others than root may write to it", context());
    }
    let mut text = String::new();
    file.take(SIZE_LIMIT + 1)
        .read_to_string(&mut text)
        .with_context(context)?;
    if text.len() as u64 > SIZE_LIMIT {
        bail!("{}: larger than {SIZE_LIMIT} bytes", context());
    }
    parse(&text).with_context(context)
}

fn parse(text: &str) -> Result<Configuration> {
    let configuration: Configuration = toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(1, |span| {
            1 + text[..span.start.min(text.len())].matches('\n').count()
        });
        anyhow!("line {line}: {}", e.message())
    })?;
    let paths = [
        ("hooks-log", configuration.hooks_log.as_slice()),
        ("hooks-dirs", configuration.hooks_dirs.as_slice()),
        ("hooks-json", configuration.hooks_json.as_slice()),
    ];
    for (key, paths) in paths {
        if let Some(path) = paths.iter().find(|path| !path.is_absolute()) {
            bail!("{key}: {path:?} is not an absolute path");
        }
    }
    Ok(configuration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_read_and_others_refused() {
        assert_eq!(parse("").unwrap(), Configuration::default());
        let log = Some("/var/log/h".into());
        assert_eq!(
            parse("# c\nhooks-log = \"/var/log/h\"\n").unwrap(),
            Configuration {
                hooks_log: log,
                ..Configuration::default()
            }
        );
        assert_eq!(
            parse("hooks-dirs = [\"/a\", \"/b\"]\nhooks-json = \"/c\"\nhooks-on-error = \"skip\"")
                .unwrap(),
            Configuration {
                hooks_log: None,
                hooks_dirs: vec!["/a".into(), "/b".into()],
                hooks_json: Some("/c".into()),
                hooks_on_error: HooksOnError::Skip,
            }
        );
        for (text, error) in [
            (
                "x = 1",
                "line 1: unknown field `x`, expected one of `hooks-log`, `hooks-dirs`, `hooks-json`, `hooks-on-error`",
            ),
            (
                "\nhooks-log = 1",
                "line 2: invalid type: integer `1`, expected path string",
            ),
            (
                "hooks-log = \"h\"",
                "hooks-log: \"h\" is not an absolute path",
            ),
            (
                "hooks-dirs = [\"/a\", \"b\"]",
                "hooks-dirs: \"b\" is not an absolute path",
            ),
            (
                "hooks-on-error = \"ignore\"",
                "line 1: unknown variant `ignore`, expected `fail` or `skip`",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), error);
        }
        assert!(
            parse("hooks-log =")
                .unwrap_err()
                .to_string()
                .starts_with("line 1: ")
        );
    }

    #[test]
    fn a_file_that_others_may_change_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        assert!(
            load(Some(&path)).is_err(),
            "it was asked for and is missing"
        );
        std::fs::write(&path, "").unwrap();
        assert_eq!(load(Some(&path)).unwrap(), Configuration::default());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(
            load(Some(&path))
                .unwrap_err()
                .to_string()
                .ends_with(": others than root may write to it")
        );
        assert!(
            load(Some(dir.path()))
                .unwrap_err()
                .to_string()
                .ends_with(": not a regular file")
        );
    }
}
