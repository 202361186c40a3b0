//! The id maps of a user namespace that a container joins by path.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::mounts::{IdMap, IdMaps};
use crate::sys;

/// Reads the maps of the namespace at a path.
///
/// The kernel shows them only in /proc of a process that is inside, so a child enters the namespace for a moment.
pub fn of_namespace(path: &Path) -> Result<IdMaps> {
    let namespace =
        File::open(path).with_context(|| format!("open namespace {}", path.display()))?;
    let mut command = Command::new("/proc/self/exe");
    command
        .env_clear()
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    sys::join_user_namespace_on_fork(&mut command, namespace.as_raw_fd());
    let mut child = command
        .spawn()
        .with_context(|| format!("enter user namespace {}", path.display()))?;
    // The child cannot end before its output has been read, because the pipe is read only afterwards.
    let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", child.id()));
    let maps = (read("uid_map"), read("gid_map"));
    let mut rest = Vec::new();
    if let Some(stdout) = &mut child.stdout {
        let _ = stdout.read_to_end(&mut rest);
    }
    child
        .wait()
        .context("wait for the child in the user namespace")?;
    let maps = IdMaps {
        uids: parse(&maps.0.context("read uid_map")?),
        gids: parse(&maps.1.context("read gid_map")?),
    };
    if maps.uids.is_empty() || maps.gids.is_empty() {
        bail!("user namespace {} has no id maps", path.display());
    }
    Ok(maps)
}

/// user_namespaces(7): each line has the first id inside, the first id outside, and their number.
fn parse(text: &str) -> Vec<IdMap> {
    let numbers = text.lines().map(|l| {
        l.split_ascii_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect()
    });
    numbers
        .filter_map(|n: Vec<u32>| match n[..] {
            [container, host, size] => Some(IdMap {
                container,
                host,
                size,
            }),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read() {
        let map = IdMap {
            container: 0,
            host: 100_000,
            size: 65_536,
        };
        assert_eq!(parse("         0     100000      65536\n"), [map]);
        assert!(parse("").is_empty());
    }
}
