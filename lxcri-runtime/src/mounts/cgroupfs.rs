//! The host's cgroup hierarchies, and what a mount of type cgroup becomes on them.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use libc::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};

use super::error::Error;
use super::options::{Parsed, option_pointer};
use super::steps::{Attributes, BindSource, Mount, MountKind, Step};
use crate::mountinfo::{self, Entry};

/// Where Linux distributions mount cgroups.
const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its mount point on the host.
    pub point: PathBuf,
    /// The part of it that is mounted there; `/` unless the runtime is in a cgroup namespace.
    pub root: PathBuf,
    /// Version 2.
    pub unified: bool,
    /// Version 1: the controllers, and `name=…` of a named one, in the kernel's order.
    pub controllers: Vec<String>,
}

impl Hierarchy {
    /// Its name below a directory of hierarchies: `memory`, `cpu,cpuacct`, `systemd`, `unified`.
    fn name(&self) -> String {
        self.point
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// Finds the container's own directory, `text` being /proc/PID/cgroup of a process in its cgroup.
    pub(super) fn own_directory(&self, text: &str) -> Option<PathBuf> {
        let path = text.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let number = fields.next()?;
            let controllers = fields.next()?;
            let path = fields.next()?;
            let matches = if self.unified {
                number == "0" && controllers.is_empty()
            } else {
                let mut theirs: Vec<&str> = controllers.split(',').collect();
                let mut ours: Vec<&str> = self.controllers.iter().map(String::as_str).collect();
                theirs.sort_unstable();
                ours.sort_unstable();
                theirs == ours
            };
            matches.then_some(path)
        })?;
        let below = Path::new(path).strip_prefix(&self.root).ok()?;
        Some(self.point.join(below))
    }
}

/// The host's cgroup hierarchies as its mount table shows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupView {
    /// All of them, in the order in which they were mounted.
    pub hierarchies: Vec<Hierarchy>,
}

impl CgroupView {
    /// Reads the text of /proc/self/mountinfo.
    pub fn from_mountinfo(text: &[u8]) -> Self {
        let entries: Vec<Entry> = mountinfo::parse(text).flatten().collect();
        let found = entries.iter().filter(|entry| {
            entry.point.starts_with(CGROUP_ROOT)
                && matches!(entry.fstype.as_str(), "cgroup" | "cgroup2")
                && mountinfo::is_visible(entry, &entries)
        });
        let hierarchies = found.map(|entry| {
            let unified = entry.fstype == "cgroup2";
            Hierarchy {
                point: entry.point.clone(),
                root: entry.root.clone(),
                unified,
                controllers: if unified {
                    Vec::new()
                } else {
                    controllers(&entry.super_options)
                },
            }
        });
        Self {
            hierarchies: hierarchies.collect(),
        }
    }

    /// The index of the version 2 hierarchy.
    fn unified(&self) -> Option<usize> {
        self.hierarchies.iter().position(|known| known.unified)
    }

    /// /sys/fs/cgroup itself is version 2.
    fn is_pure_unified(&self) -> bool {
        self.unified()
            .is_some_and(|at| self.hierarchies[at].point == Path::new(CGROUP_ROOT))
    }
}

/// Picks the controllers out of a version 1 superblock's options.
fn controllers(options: &str) -> Vec<String> {
    const FLAGS: &[&str] = &[
        "rw",
        "ro",
        "xattr",
        "noprefix",
        "clone_children",
        "cpuset_v2_mode",
        "none",
        "all",
        "seclabel",
        "favordynmods",
        "nofavordynmods",
        "sync",
        "dirsync",
        "lazytime",
        "mand",
    ];
    options
        .split(',')
        .filter(|option| !FLAGS.contains(option))
        .filter(|option| !option.contains('=') || option.starts_with("name="))
        .map(str::to_owned)
        .collect()
}

/// A mount of type `cgroup` or `cgroup2`.
pub(super) struct Request<'a> {
    pub(super) pointer: &'a str,
    pub(super) destination: &'a Path,
    pub(super) fstype: &'a str,
    pub(super) parsed: &'a Parsed,
    pub(super) cgroup_ns: bool,
    pub(super) view: &'a CgroupView,
}

impl Request<'_> {
    /// What has to be done.
    ///
    /// In a cgroup namespace a fresh mount shows the container's part and nothing else. Without one it would show the
    /// whole hierarchy of the host, so the container's own directory is bind-mounted.
    pub(super) fn steps(&self) -> Result<Vec<Step>, Error> {
        let fresh_unified =
            self.fstype == "cgroup2" && (self.cgroup_ns || self.view.unified().is_none());
        if !fresh_unified {
            self.refuse_options()?;
        }
        if self.fstype == "cgroup2" {
            return Ok(vec![Step::Mount(self.unified(self.options()))]);
        }
        if self.view.hierarchies.is_empty() {
            return Err(Error::refused(
                format!("{}/type", self.pointer),
                "the host has no cgroup file system at /sys/fs/cgroup",
            ));
        }
        if self.view.is_pure_unified() {
            return Ok(vec![Step::Mount(self.unified(Vec::new()))]);
        }
        Ok(self.legacy())
    }

    /// Only a fresh mount of version 2 has a superblock that options could be for.
    fn refuse_options(&self) -> Result<(), Error> {
        match self.parsed.superblock_options().min() {
            Some((at, option)) => Err(Error::refused(
                option_pointer(self.pointer, at),
                format!("{option:?} is not an option of this cgroup mount"),
            )),
            None => Ok(()),
        }
    }

    fn options(&self) -> Vec<String> {
        self.parsed
            .superblock_options()
            .map(|(_, option)| option.to_owned())
            .collect()
    }

    fn unified(&self, options: Vec<String>) -> Mount {
        let kind = match self.view.unified() {
            Some(at) if !self.cgroup_ns => own(at),
            _ => fresh("cgroup2", "cgroup", options),
        };
        self.mount(self.destination.to_owned(), kind)
    }

    /// A directory of hierarchies, as on the host: a tmpfs with one mount for each and a symlink for each controller
    /// that has no directory of its own name.
    fn legacy(&self) -> Vec<Step> {
        let flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        let mut base = self.mount(
            self.destination.to_owned(),
            MountKind::New {
                fstype: "tmpfs".to_owned(),
                source: Some("cgroup".to_owned()),
                options: vec!["mode=755".to_owned()],
                inherit_mode: false,
                copy_up: false,
            },
        );
        base.own.set |= flags & !base.own.clear;
        base.seal = base.own.set & MOUNT_ATTR_RDONLY != 0;
        base.own.set &= !MOUNT_ATTR_RDONLY;
        let mut steps = vec![Step::Mount(base)];
        let names: Vec<String> = self.view.hierarchies.iter().map(Hierarchy::name).collect();
        let mut links = Vec::new();
        for (at, hierarchy) in self.view.hierarchies.iter().enumerate() {
            let kind = if !self.cgroup_ns {
                own(at)
            } else if hierarchy.unified {
                fresh("cgroup2", "cgroup", Vec::new())
            } else {
                fresh("cgroup", "cgroup", hierarchy.controllers.clone())
            };
            let mut mount = self.mount(self.destination.join(&names[at]), kind);
            mount.own.set |= flags & !mount.own.clear;
            steps.push(Step::Mount(mount));
            for controller in &hierarchy.controllers {
                if !controller.starts_with("name=") && !names.contains(controller) {
                    links.push(Step::Symlink {
                        path: self.destination.join(controller),
                        target: names[at].clone(),
                        replace: false,
                    });
                }
            }
        }
        steps.extend(links);
        steps
    }

    fn mount(&self, destination: PathBuf, kind: MountKind) -> Mount {
        let (own, recursive) = match kind {
            MountKind::Bind { .. } => (self.parsed.own, self.parsed.recursive),
            MountKind::New { .. } => (self.parsed.flat(), Attributes::default()),
        };
        Mount {
            pointer: self.pointer.to_owned(),
            destination,
            kind,
            own,
            recursive,
            seal: false,
            propagation: self.parsed.propagation,
        }
    }
}

fn own(hierarchy: usize) -> MountKind {
    MountKind::Bind {
        source: BindSource::OwnCgroup(hierarchy),
        recursive: false,
    }
}

fn fresh(fstype: &str, source: &str, options: Vec<String>) -> MountKind {
    MountKind::New {
        fstype: fstype.to_owned(),
        source: Some(source.to_owned()),
        options,
        inherit_mode: false,
        copy_up: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
37 31 0:34 /outer /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
50 22 0:50 / /elsewhere/cgroup rw - cgroup cgroup rw,pids
";

    #[test]
    fn a_hybrid_host_is_understood() {
        let view = CgroupView::from_mountinfo(HYBRID.as_bytes());
        let names: Vec<_> = view.hierarchies.iter().map(Hierarchy::name).collect();
        assert_eq!(names, ["cpu,cpuacct", "memory", "systemd", "unified"]);
        assert_eq!(view.hierarchies[0].controllers, ["cpu", "cpuacct"]);
        assert_eq!(view.hierarchies[2].controllers, ["name=systemd"]);
        assert!(!view.is_pure_unified());
    }

    #[test]
    fn the_own_directory_of_each_hierarchy_is_found() {
        let view = CgroupView::from_mountinfo(HYBRID.as_bytes());
        let text = "5:cpuacct,cpu:/a/b\n4:memory:/outer/m:x\n1:name=systemd:/\n0::/u\n";
        let own: Vec<_> = view
            .hierarchies
            .iter()
            .map(|hierarchy| hierarchy.own_directory(text).unwrap())
            .collect();
        assert_eq!(
            own,
            [
                Path::new("/sys/fs/cgroup/cpu,cpuacct/a/b"),
                Path::new("/sys/fs/cgroup/memory/m:x"),
                Path::new("/sys/fs/cgroup/systemd"),
                Path::new("/sys/fs/cgroup/unified/u"),
            ]
        );
        assert_eq!(view.hierarchies[1].own_directory("4:memory:/other\n"), None);
        assert_eq!(view.hierarchies[1].own_directory("4:pids:/outer\n"), None);
    }

    #[test]
    fn a_pure_unified_host_is_understood() {
        let view = CgroupView::from_mountinfo(
            b"31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        assert!(view.is_pure_unified());
    }
}
