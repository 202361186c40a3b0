//! A user namespace that a container joins by path: its maps.

pub mod join;
#[allow(unsafe_code)]
mod sys;

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use crate::mounts::{IdMap, IdMaps};

/// The maps of the namespace behind a file, as this process's namespace counts ids.
///
/// # Errors
/// The file is no user namespace, or one that cannot be joined: the runtime's own.
pub fn maps(path: &Path) -> Result<IdMaps> {
    let context = || format!("user namespace {}", path.display());
    let file = File::open(path).with_context(context)?;
    let identity = |m: fs::Metadata| (m.dev(), m.ino());
    let own = fs::metadata("/proc/self/ns/user").context("stat /proc/self/ns/user")?;
    if identity(file.metadata().with_context(context)?) == identity(own) {
        bail!(
            "{}: it is the runtime's own, which is shared by not listing one",
            context()
        );
    }
    // The kernel shows a map only as that of a process, and translates it for whoever opens the file.
    let member = sys::Member::of(file.as_fd())
        .context("setns(CLONE_NEWUSER)")
        .with_context(context)?;
    let read = |name: &str| {
        let path = format!("/proc/{}/{name}", member.pid);
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        parse(&text).ok_or_else(|| anyhow!("{path}: not a map"))
    };
    Ok(IdMaps {
        uids: read("uid_map")?,
        gids: read("gid_map")?,
    })
}

/// user_namespaces(7): lines of three numbers.
fn parse(text: &str) -> Option<Vec<IdMap>> {
    text.lines()
        .map(|line| {
            let mut numbers = line.split_ascii_whitespace().map(|n| n.parse().ok());
            let map = IdMap {
                container: numbers.next()??,
                host: numbers.next()??,
                size: numbers.next()??,
            };
            numbers.next().is_none().then_some(map)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_parsed() {
        let map = |container, host, size| IdMap {
            container,
            host,
            size,
        };
        assert_eq!(
            parse("         0     100000      65536\n     70000          0 1\n"),
            Some(vec![map(0, 100_000, 65_536), map(70_000, 0, 1)])
        );
        assert_eq!(parse(""), Some(Vec::new()));
        for text in ["0 1\n", "0 1 2 3\n", "0 x 1\n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_joined_is_an_error() {
        let error = |path: &str| crate::errors::one_line(&maps(Path::new(path)).unwrap_err());
        assert!(error("/proc/self/ns/user").contains("the runtime's own"));
        assert!(error("/proc/self/ns/net").contains("setns(CLONE_NEWUSER)"));
        assert!(error("/nowhere").contains("(ENOENT)"));
    }
}
