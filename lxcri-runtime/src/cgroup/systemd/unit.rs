//! `slice:prefix:name` and the scope it stands for (systemd.unit(5), systemd.slice(5)).

use std::path::{Path, PathBuf};

use super::super::error::Error;
use super::super::record::Mode;

/// Where systemd says that it runs (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// The unit of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Unit {
    slice: String,
    unit: String,
    slice_path: PathBuf,
}

impl Unit {
    /// Parses `linux.cgroupsPath` in systemd's notation; without one, the unit is `lxcri-ID.scope` in system.slice.
    pub fn parse(cgroups_path: Option<&Path>, id: &str) -> Result<Self, Error> {
        let default = format!(":lxcri:{id}");
        let text = match cgroups_path {
            None => default.as_str(),
            Some(path) => path.to_str().unwrap_or_default(),
        };
        let refuse = |reason: &str| Error::Path {
            path: text.to_owned(),
            reason: reason.to_owned(),
        };
        let parts: Vec<&str> = text.split(':').collect();
        let [slice, prefix, name] = parts[..] else {
            return Err(refuse(
                "--systemd-cgroup needs the notation slice:prefix:name",
            ));
        };
        if name.is_empty() {
            return Err(refuse("the name is empty"));
        }
        if text.contains('/') {
            return Err(refuse("a unit name cannot contain a slash"));
        }
        let slice = if slice.is_empty() {
            "system.slice"
        } else {
            slice
        };
        let slice_path = expand_slice(slice).ok_or_else(|| refuse("not the name of a slice"))?;
        if name.ends_with(".slice") {
            return Err(refuse(
                "not supported: a slice cannot hold a container's processes",
            ));
        }
        let unit = format!("{prefix}-{name}.scope");
        let plain = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if unit.len() > 255 || !unit.chars().all(plain) {
            return Err(refuse("not the name of a unit"));
        }
        Ok(Unit {
            slice: slice.to_owned(),
            unit,
            slice_path,
        })
    }

    /// The name of the unit.
    pub fn name(&self) -> String {
        self.unit.clone()
    }

    /// The slice it lies in.
    pub fn slice(&self) -> &str {
        &self.slice
    }

    /// Its cgroup, below the root of the hierarchy.
    pub fn path(&self) -> PathBuf {
        self.slice_path.join(&self.unit)
    }
}

/// Refuses where there is no systemd, or where it does not use v2 alone.
pub(in super::super) fn require(mode: Mode) -> Result<(), Error> {
    if !Path::new(BOOTED).is_dir() {
        return Err(Error::Systemd("systemd is not running".to_owned()));
    }
    match mode {
        Mode::Unified => Ok(()),
        Mode::Hybrid | Mode::Legacy => Err(Error::Systemd(
            "not supported: needs cgroup v2 alone, and this machine has v1 hierarchies".to_owned(),
        )),
    }
}

/// `a-b.slice` lies in `a.slice/a-b.slice`; `-.slice` is the root (systemd.slice(5)).
fn expand_slice(slice: &str) -> Option<PathBuf> {
    let name = slice.strip_suffix(".slice")?;
    if name == "-" {
        return Some(PathBuf::new());
    }
    let mut path = PathBuf::new();
    let mut prefix = String::new();
    for part in name.split('-') {
        if part.is_empty() {
            return None;
        }
        prefix.push_str(part);
        path.push(format!("{prefix}.slice"));
        prefix.push('-');
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> String {
        let unit = Unit::parse(Some(Path::new(text)), "c1").unwrap();
        unit.path().display().to_string()
    }

    #[test]
    fn slices_nest_by_their_dashes() {
        assert_eq!(path("system.slice:cri:abc"), "system.slice/cri-abc.scope");
        assert_eq!(
            path("kubepods-burstable-pod1.slice:cri-containerd:abc"),
            "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-abc.scope"
        );
        assert_eq!(path("-.slice:p:n"), "p-n.scope");
        assert_eq!(path(":p:n"), "system.slice/p-n.scope");
    }

    #[test]
    fn without_a_path_the_id_names_the_scope() {
        let unit = Unit::parse(None, "c1").unwrap();
        assert_eq!(unit.path(), Path::new("system.slice/lxcri-c1.scope"));
        assert_eq!(unit.name(), "lxcri-c1.scope");
    }

    #[test]
    fn other_notations_are_refused() {
        for text in [
            "/a/b",
            "a",
            "a:b",
            "a:b:c:d",
            "a.slice:p:",
            "a:p:n",
            "a--b.slice:p:n",
            ".slice:p:n",
            "a.slice:p:x/y",
        ] {
            let error = Unit::parse(Some(Path::new(text)), "c1")
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with(&format!("/linux/cgroupsPath: {text}: ")),
                "{error}"
            );
        }
    }

    #[test]
    fn without_systemd_the_option_is_refused() {
        if !Path::new(BOOTED).is_dir() {
            let error = require(Mode::Unified).unwrap_err().to_string();
            assert_eq!(error, "--systemd-cgroup: systemd is not running");
        } else {
            assert!(require(Mode::Unified).is_ok());
            assert!(
                require(Mode::Hybrid)
                    .unwrap_err()
                    .to_string()
                    .contains("not supported")
            );
        }
    }
}
