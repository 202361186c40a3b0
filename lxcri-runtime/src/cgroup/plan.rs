//! From `linux.cgroupsPath` to the directories a container gets; makes nothing.
//!
//! The notation is runc's, so that engines find a container where they expect it:
//! - cgroupfs: an absolute path counts from the mount point of each hierarchy. A relative one counts from the
//!   runtime's own cgroup in each v1 hierarchy (and in the v2 hierarchy beside them), and on pure v2 from the *parent* of
//!   the runtime's own cgroup, because a v2 cgroup that has processes cannot hand out controllers to sub-cgroups.
//!   Without a path it is the container's id, relative. `..` never leads above the starting point.
//! - systemd: `slice:prefix:name`, only with `--systemd-cgroup`; see [`super::systemd`].

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::error::Error;
use super::layout::CgroupLayout;
use super::record::{CgroupRecord, Member, Mode, State, Version};
use super::systemd;

/// Where a container's cgroup will be.
#[derive(Debug, Clone)]
pub struct CgroupPlan {
    pub(super) record: CgroupRecord,
    pub(super) unit: Option<systemd::Unit>,
    pub(super) id: String,
}

impl CgroupPlan {
    /// Decides on the directories for container `id`, from `linux.cgroupsPath` of its spec.
    ///
    /// # Errors
    /// When the path is in the other driver's notation, names the root of a hierarchy, or counts from a cgroup that
    /// is not visible here; when `--systemd-cgroup` is asked for and there is no systemd, or no pure v2.
    pub fn new(
        cgroups_path: Option<&Path>,
        id: &str,
        systemd: bool,
        layout: &CgroupLayout,
    ) -> Result<Self, Error> {
        let given = cgroups_path.filter(|path| !path.as_os_str().is_empty());
        let (locate, unit): (Locate, _) = if systemd {
            let unit = systemd::Unit::parse(given, id)?;
            systemd::require(layout.mode())?;
            (Locate::FromMount(unit.path()), Some(unit))
        } else {
            (locate(given, id)?, None)
        };
        let mut members = Vec::new();
        for hierarchy in layout.hierarchies() {
            let below = match &locate {
                Locate::FromMount(path) => path.clone(),
                Locate::FromOwn(path) => {
                    let own = hierarchy.own.as_deref().ok_or_else(|| Error::Path {
                        path: path.display().to_string(),
                        reason: format!(
                            "relative to the runtime's own cgroup, which is not visible at {}",
                            hierarchy.mount_point.display()
                        ),
                    })?;
                    let base = match layout.mode() {
                        Mode::Unified => own.parent().unwrap_or(Path::new("")),
                        Mode::Hybrid | Mode::Legacy => own,
                    };
                    base.join(path)
                }
            };
            let path = hierarchy.mount_point.join(below);
            members.push(Member {
                version: hierarchy.version,
                controllers: match hierarchy.version {
                    Version::V1 => hierarchy.controllers.clone(),
                    Version::V2 => Vec::new(),
                },
                parents: missing_parents(&path, &hierarchy.mount_point),
                mount_point: hierarchy.mount_point.clone(),
                path,
            });
        }
        Ok(CgroupPlan {
            record: CgroupRecord {
                mode: layout.mode(),
                state: State::Planned,
                members,
                unit: unit.as_ref().map(systemd::Unit::name),
            },
            unit,
            id: id.to_owned(),
        })
    }

    /// What must be on disk before [`CgroupPlan::create`], so that a runtime killed in between leaves a trace of what
    /// it was about to make.
    pub fn record(&self) -> &CgroupRecord {
        &self.record
    }
}

/// A normalised path and what it counts from.
enum Locate {
    FromMount(PathBuf),
    FromOwn(PathBuf),
}

fn locate(given: Option<&Path>, id: &str) -> Result<Locate, Error> {
    let refuse = |path: &Path, reason: &str| Error::Path {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    };
    let Some(path) = given else {
        return Ok(Locate::FromOwn(PathBuf::from(id)));
    };
    let bytes = path.as_os_str().as_bytes();
    if !bytes.contains(&b'/') && bytes.iter().filter(|b| **b == b':').count() == 2 {
        return Err(refuse(
            path,
            "the notation slice:prefix:name needs --systemd-cgroup",
        ));
    }
    let clean = clean(path);
    match (path.is_absolute(), clean.as_os_str().is_empty()) {
        (true, true) => Err(refuse(
            path,
            "the root of a hierarchy cannot be a container's cgroup",
        )),
        (true, false) => Ok(Locate::FromMount(clean)),
        (false, true) => Ok(Locate::FromOwn(PathBuf::from(id))),
        (false, false) => Ok(Locate::FromOwn(clean)),
    }
}

/// The path without `.`, `..` and doubled slashes, relative; `..` at the top stays at the top.
fn clean(path: &Path) -> PathBuf {
    let mut parts: Vec<&OsStr> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part),
            Component::ParentDir => drop(parts.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts.iter().collect()
}

/// The directories above `path` that do not exist, deepest first.
fn missing_parents(path: &Path, mount_point: &Path) -> Vec<PathBuf> {
    path.ancestors()
        .skip(1)
        .take_while(|dir| *dir != mount_point && dir.starts_with(mount_point) && !dir.exists())
        .map(Path::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::{hybrid, legacy, unified};
    use super::*;

    fn paths(given: Option<&str>, layout: &CgroupLayout) -> Vec<String> {
        let plan = CgroupPlan::new(given.map(Path::new), "c1", false, layout).unwrap();
        plan.record
            .members
            .iter()
            .map(|m| m.path.display().to_string())
            .collect()
    }

    fn error(given: &str, layout: &CgroupLayout) -> String {
        CgroupPlan::new(Some(Path::new(given)), "c1", false, layout)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn absolute_paths_count_from_the_mount_point() {
        let paths = paths(Some("/nope/x"), &hybrid());
        assert!(paths.contains(&"/sys/fs/cgroup/unified/nope/x".to_owned()));
        assert!(paths.contains(&"/sys/fs/cgroup/memory/nope/x".to_owned()));
        assert!(paths.contains(&"/sys/fs/cgroup/systemd/nope/x".to_owned()));
    }

    #[test]
    fn relative_paths_count_from_the_own_cgroup_on_v1() {
        for layout in [hybrid(), legacy()] {
            let paths = paths(Some("nope/x"), &layout);
            assert!(paths.contains(&"/sys/fs/cgroup/memory/process_api/57/nope/x".to_owned()));
            assert!(paths.contains(&"/sys/fs/cgroup/pids/nope/x".to_owned()));
        }
        assert!(
            paths(None, &hybrid()).contains(&"/sys/fs/cgroup/memory/process_api/57/c1".to_owned())
        );
    }

    #[test]
    fn relative_paths_count_from_the_parent_of_the_own_cgroup_on_v2() {
        assert_eq!(
            paths(Some("x"), &unified("/user.slice/s.scope")),
            ["/sys/fs/cgroup/user.slice/x"]
        );
        assert_eq!(paths(None, &unified("/s.scope")), ["/sys/fs/cgroup/c1"]);
        assert_eq!(paths(None, &unified("/")), ["/sys/fs/cgroup/c1"]);
    }

    #[test]
    fn dots_never_lead_out() {
        let layout = unified("/a/b");
        for (given, want) in [
            ("../../../up", "/sys/fs/cgroup/a/up"),
            ("/../../up/./x/../y//", "/sys/fs/cgroup/up/y"),
            ("./x/..", "/sys/fs/cgroup/a/c1"),
        ] {
            assert_eq!(paths(Some(given), &layout), [want], "{given}");
        }
    }

    #[test]
    fn the_root_is_no_container_cgroup() {
        for given in ["/", "/..", "/x/.."] {
            assert!(
                error(given, &hybrid()).contains("the root of a hierarchy"),
                "{given}"
            );
        }
    }

    #[test]
    fn systemd_notation_needs_the_option() {
        assert_eq!(
            error("system.slice:lxcri:c1", &hybrid()),
            "/linux/cgroupsPath: system.slice:lxcri:c1: the notation slice:prefix:name needs --systemd-cgroup"
        );
        // Only the whole notation is taken for it.
        assert_eq!(
            paths(Some("/a:b:c"), &unified("/")),
            ["/sys/fs/cgroup/a:b:c"]
        );
    }

    #[test]
    fn parents_that_are_missing_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("there")).unwrap();
        let leaf = dir.path().join("there/a/b/leaf");
        assert_eq!(
            missing_parents(&leaf, dir.path()),
            [dir.path().join("there/a/b"), dir.path().join("there/a")]
        );
        assert!(missing_parents(&dir.path().join("there/leaf"), dir.path()).is_empty());
    }
}
