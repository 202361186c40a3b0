//! The configuration file: what an engine's command line has no room for.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
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
    if let Some(path) = &configuration.hooks_log
        && !path.is_absolute()
    {
        bail!("hooks-log: {path:?} is not an absolute path");
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
            Configuration { hooks_log: log }
        );
        for (text, error) in [
            ("x = 1", "line 1: unknown field `x`, expected `hooks-log`"),
            (
                "\nhooks-log = 1",
                "line 2: invalid type: integer `1`, expected path string",
            ),
            (
                "hooks-log = \"h\"",
                "hooks-log: \"h\" is not an absolute path",
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
