//! Which cgroup hierarchies this machine has, and where.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::error::Error;
use super::files;
use super::proc::{self, Mount, Own};
use super::record::{Mode, Version};

/// A hierarchy that is mounted where this process can reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// v1 or v2.
    pub version: Version,
    /// v1: its controllers, or `name=…`. v2: the controllers it offers at its root.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// The cgroup that the mount shows as its root, "/" for the whole hierarchy.
    pub mount_root: PathBuf,
    /// This process's own cgroup below the mount point; `None` when the mount does not show it.
    pub own: Option<PathBuf>,
}

/// The mounted hierarchies, v2 first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupLayout {
    mode: Mode,
    hierarchies: Vec<Hierarchy>,
}

impl CgroupLayout {
    /// Finds the hierarchies with one read of `/proc/self/mountinfo` and one of `/proc/self/cgroup`.
    ///
    /// # Errors
    /// When these cannot be read or understood, or no hierarchy is mounted.
    pub fn detect() -> Result<Self, Error> {
        Self::from_mountinfo(&read("/proc/self/mountinfo")?)
    }

    /// The same with the content of `/proc/self/mountinfo`, which others need as well.
    ///
    /// # Errors
    /// As for [`detect`](Self::detect).
    pub fn from_mountinfo(text: &[u8]) -> Result<Self, Error> {
        let mounts = proc::parse_mountinfo(text)?;
        let own = proc::parse_own(&read("/proc/self/cgroup")?)?;
        let mut layout = Self::assemble(&mounts, &own, is_reachable)?;
        for hierarchy in &mut layout.hierarchies {
            if hierarchy.version == Version::V2 {
                hierarchy.controllers = files::read(&hierarchy.mount_point, "cgroup.controllers")?
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect();
            }
        }
        Ok(layout)
    }

    /// Matches mounts with the process's own cgroups: v1 by what the superblock says it carries, v2 by its type.
    pub(super) fn assemble(
        mounts: &[Mount],
        own: &[Own],
        reachable: impl Fn(&Mount) -> bool,
    ) -> Result<Self, Error> {
        let mut hierarchies = Vec::new();
        for own in own {
            let carries = |mount: &&Mount| match (&mount.v1_options, own.controllers.first()) {
                (None, None) => true,
                (Some(options), Some(name)) => options.contains(name),
                _ => false,
            };
            // A hierarchy may be mounted several times; take the one with the widest view, where it belongs.
            let best = mounts
                .iter()
                .filter(carries)
                .filter(|m| reachable(m))
                .min_by_key(|m| {
                    (
                        m.read_only,
                        m.root != Path::new("/"),
                        !m.point.starts_with("/sys/fs/cgroup"),
                    )
                });
            if let Some(mount) = best {
                hierarchies.push(Hierarchy {
                    version: if mount.v1_options.is_some() {
                        Version::V1
                    } else {
                        Version::V2
                    },
                    controllers: own.controllers.clone(),
                    mount_point: mount.point.clone(),
                    mount_root: mount.root.clone(),
                    own: proc::own_below(&mount.root, &own.path),
                });
            }
        }
        // v2 first: it is the one that can tell when a cgroup is empty, and can kill it at once.
        hierarchies.sort_by_key(|h| h.version == Version::V1);
        let mode = match (hierarchies.first(), hierarchies.last()) {
            (None, _) | (_, None) => return Err(Error::NoHierarchy),
            (Some(first), Some(last)) => match (first.version, last.version) {
                (Version::V2, Version::V2) => Mode::Unified,
                (Version::V2, Version::V1) => Mode::Hybrid,
                _ => Mode::Legacy,
            },
        };
        Ok(CgroupLayout { mode, hierarchies })
    }

    /// The kind of layout.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The mounted hierarchies, v2 first, then v1 in the kernel's order.
    pub fn hierarchies(&self) -> &[Hierarchy] {
        &self.hierarchies
    }

    /// The hierarchy that carries a controller: v1 where it is mounted, else v2 where it is offered.
    pub fn controller(&self, name: &str) -> Option<&Hierarchy> {
        self.hierarchies
            .iter()
            .rev()
            .find(|h| h.controllers.iter().any(|c| c == name))
    }

    /// The v2 hierarchy, whether or not it carries controllers.
    pub fn unified(&self) -> Option<&Hierarchy> {
        self.hierarchies
            .first()
            .filter(|h| h.version == Version::V2)
    }
}

fn read(file: &'static str) -> Result<Vec<u8>, Error> {
    std::fs::read(file).map_err(|e| {
        let errno = e.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        Error::sys(format!("read({file})"), errno)
    })
}

/// Whether the mount point still leads to this mount, and not to something mounted over it later.
fn is_reachable(mount: &Mount) -> bool {
    use nix::sys::stat::{major, minor, stat};
    stat(&mount.point)
        .is_ok_and(|st| (major(st.st_dev) as u32, minor(st.st_dev) as u32) == mount.device)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const HYBRID_MOUNTS: &str = include_str!("testdata/hybrid.mountinfo");
    const HYBRID_OWN: &str = include_str!("testdata/hybrid.cgroup");

    pub(in super::super) fn layout(mountinfo: &str, own: &str) -> CgroupLayout {
        let mounts = proc::parse_mountinfo(mountinfo.as_bytes()).unwrap();
        let own = proc::parse_own(own.as_bytes()).unwrap();
        CgroupLayout::assemble(&mounts, &own, |_| true).unwrap()
    }

    pub(in super::super) fn hybrid() -> CgroupLayout {
        layout(HYBRID_MOUNTS, HYBRID_OWN)
    }

    pub(in super::super) fn unified(own: &str) -> CgroupLayout {
        let mut layout = layout(
            "30 25 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
            &format!("0::{own}\n"),
        );
        layout.hierarchies[0].controllers =
            ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"]
                .map(str::to_owned)
                .to_vec();
        layout
    }

    pub(in super::super) fn legacy() -> CgroupLayout {
        let mounts: String = HYBRID_MOUNTS
            .lines()
            .filter(|l| !l.contains("cgroup2"))
            .fold(String::new(), |all, line| all + line + "\n");
        layout(&mounts, HYBRID_OWN)
    }

    #[test]
    fn hybrid_has_v2_first_and_every_v1_hierarchy() {
        let layout = hybrid();
        assert_eq!(layout.mode(), Mode::Hybrid);
        assert_eq!(layout.hierarchies().len(), 10);
        assert_eq!(layout.hierarchies()[0].version, Version::V2);
        let memory = layout.controller("memory").unwrap();
        assert_eq!(memory.own.as_deref(), Some(Path::new("process_api/57")));
        assert_eq!(memory.mount_point, Path::new("/sys/fs/cgroup/memory"));
        assert!(layout.controller("name=systemd").is_some());
        assert!(layout.controller("net_cls").is_none());
    }

    #[test]
    fn without_v2_it_is_legacy_and_without_v1_unified() {
        assert_eq!(legacy().mode(), Mode::Legacy);
        assert!(legacy().unified().is_none());
        let unified = unified("/user.slice/s");
        assert_eq!(unified.mode(), Mode::Unified);
        assert_eq!(
            unified.unified().unwrap().own.as_deref(),
            Some(Path::new("user.slice/s"))
        );
    }

    #[test]
    fn a_v2_view_on_a_hybrid_machine_is_unified() {
        // /proc/self/cgroup goes on to list every v1 hierarchy; only mounts decide.
        let mount = "30 25 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(layout(mount, HYBRID_OWN).mode(), Mode::Unified);
    }

    #[test]
    fn comounted_controllers_are_one_hierarchy() {
        let layout = layout(
            "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
            "2:cpu,cpuacct:/\n4:memory:/\n0::/\n",
        );
        assert_eq!(layout.hierarchies().len(), 1);
        assert_eq!(layout.controller("cpu"), layout.controller("cpuacct"));
        assert_eq!(layout.mode(), Mode::Legacy);
    }

    #[test]
    fn the_widest_writable_mount_in_the_usual_place_wins() {
        let layout = layout(
            "50 1 0:38 / /elsewhere rw - cgroup2 cgroup2 rw\n\
             51 1 0:38 /x /sys/fs/cgroup/x rw - cgroup2 cgroup2 rw\n\
             52 1 0:38 / /sys/fs/cgroup/ro ro - cgroup2 cgroup2 rw\n\
             53 1 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            "0::/\n",
        );
        assert_eq!(
            layout.unified().unwrap().mount_point,
            Path::new("/sys/fs/cgroup/unified")
        );
    }

    #[test]
    fn hidden_mounts_do_not_count() {
        let mounts = proc::parse_mountinfo(HYBRID_MOUNTS.as_bytes()).unwrap();
        let own = proc::parse_own(HYBRID_OWN.as_bytes()).unwrap();
        assert!(matches!(
            CgroupLayout::assemble(&mounts, &own, |_| false),
            Err(Error::NoHierarchy)
        ));
    }

    #[test]
    fn this_machine_has_a_layout() {
        let layout = match CgroupLayout::detect() {
            Err(Error::NoHierarchy) => {
                return super::super::testing::absent("no cgroup hierarchy is mounted");
            }
            other => other.unwrap(),
        };
        for hierarchy in layout.hierarchies() {
            assert!(
                hierarchy.mount_point.join("cgroup.procs").exists(),
                "{hierarchy:?}"
            );
        }
    }
}
