//! Which paths, ids and propagations config.json may name.
#![forbid(unsafe_code)]

use std::path::{Component, Path, PathBuf};

use hook_tree::names;

use super::error::Error;
use super::facts::IdMaps;
use super::options::{Parsed, option_pointer, parse};
use super::steps::Propagation;

/// The only files of procfs that may be covered: what lxcfs emulates, and two that runc allows too. Anything else
/// below /proc could make a security setting that is written there go nowhere (CVE-2019-16884).
pub(super) const PROC_FILES: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// Makes a path absolute and takes `.` and `..` out by their text, as runc does. What symlinks make of it is decided
/// beneath the rootfs.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    cleaned
}

pub(super) fn covered_path(pointer: &str, path: &str) -> Result<PathBuf, Error> {
    if !path.starts_with('/') {
        return Err(Error::refused(pointer, format!("{path:?} is not absolute")));
    }
    let path = clean(Path::new(path));
    if path == Path::new("/") {
        return Err(Error::refused(pointer, "the root itself cannot be covered"));
    }
    Ok(path)
}

pub(super) fn root_propagation(text: Option<&str>) -> Result<Option<Propagation>, Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let options = [text.to_owned()];
    match parse("/linux", "", &options) {
        Ok(Parsed {
            propagation: Some(found),
            ..
        }) if !text.contains(',') => Ok(Some(found)),
        _ => Err(Error::refused(
            "/linux/rootfsPropagation",
            format!("{text:?} is no propagation"),
        )),
    }
}

pub(super) fn destination(
    pointer: &str,
    path: &Path,
    fstype: &str,
    is_bind: bool,
) -> Result<PathBuf, Error> {
    let refuse = |reason: String| Error::refused(format!("{pointer}/destination"), reason);
    if path.as_os_str().is_empty() {
        return Err(refuse("a mount needs a destination".to_owned()));
    }
    // The runtime-spec still allows a relative destination, "relative to /".
    let cleaned = clean(path);
    if cleaned == Path::new("/") {
        return Err(refuse(
            "nothing can be mounted over the root; root.path says what it is".to_owned(),
        ));
    }
    if cleaned.starts_with(names::GUEST_MOUNT) {
        return Err(refuse(format!(
            "{} belongs to the runtime",
            names::GUEST_MOUNT
        )));
    }
    if cleaned == Path::new("/proc") && !is_bind && fstype != "proc" {
        return Err(refuse(format!(
            "type {fstype:?} cannot be mounted on /proc"
        )));
    }
    let in_proc = cleaned.starts_with("/proc") && cleaned != Path::new("/proc");
    if in_proc && !PROC_FILES.iter().any(|file| cleaned == Path::new(file)) {
        return Err(refuse(format!(
            "{} is inside /proc and must not be covered",
            cleaned.display()
        )));
    }
    Ok(cleaned)
}

/// The kernel refuses an unmapped id with a bare EINVAL; runc rewrites such options only in `runc spec --rootless`.
pub(super) fn check_ids(pointer: &str, parsed: &Parsed, maps: &IdMaps) -> Result<(), Error> {
    for (at, option) in &parsed.data {
        let Some((key, value)) = option.split_once('=') else {
            continue;
        };
        let Ok(id) = value.parse::<u32>() else {
            continue;
        };
        let mapped = match key {
            "uid" => maps.host_uid(id),
            "gid" => maps.host_gid(id),
            _ => continue,
        };
        if mapped.is_none() {
            return Err(Error::refused(
                option_pointer(pointer, *at),
                format!("{key} {id} has no mapping in the container's user namespace"),
            ));
        }
    }
    Ok(())
}
