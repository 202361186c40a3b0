//! config.json → the ordered steps that make a container's file systems. Pure.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use libc::MOUNT_ATTR_RDONLY;
use oci_spec::runtime::{Mount as SpecMount, Spec};

use super::Identity;
use super::cgroupfs::{CgroupView, Request};
use super::devices;
use super::error::Error;
use super::facts::Facts;
use super::options::{Parsed, option_pointer, parse};
use super::rules::{check_ids, clean, covered_path, destination, root_propagation};
use super::steps::{Attributes, BindSource, Mount, MountKind, Propagation, PropagationKind, Step};

/// File systems whose superblock is shared or virtual: `ro` is said of the mount alone. Any other gets it as well for
/// the superblock, as mount(2) would, so that a read-only block device can be mounted.
const READ_ONLY_BY_MOUNT: &[&str] = &[
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "proc",
    "pstore",
    "ramfs",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// File systems that runc gives no SELinux label.
const UNLABELLED: &[&str] = &["cgroup", "cgroup2", "proc", "sysfs"];

/// The ordered steps that make a container's file systems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPlan {
    /// What is done before the hooks run.
    pub steps: Vec<Step>,
    /// `root.readonly`.
    pub root_readonly: bool,
    /// `linux.rootfsPropagation`.
    pub root_propagation: Option<Propagation>,
    /// `linux.maskedPaths`, clean.
    pub masked_paths: Vec<PathBuf>,
    /// `linux.readonlyPaths`, clean.
    pub readonly_paths: Vec<PathBuf>,
    /// `process.cwd`, clean; made if it is missing.
    pub cwd: Option<PathBuf>,
    /// As whom things are made; the caller without a user namespace.
    pub identity: Option<Identity>,
    pub(super) cgroups: CgroupView,
}

impl MountPlan {
    /// Plans the mounts of a container.
    ///
    /// # Errors
    /// [`Error::Refused`] with the JSON pointer of what cannot be done.
    pub fn new(spec: &Spec, facts: &Facts) -> Result<Self, Error> {
        let linux = spec.linux().as_ref();
        let root_propagation =
            root_propagation(linux.and_then(|linux| linux.rootfs_propagation().as_deref()))?;
        let planner = Planner {
            facts,
            label: linux
                .and_then(|linux| linux.mount_label().as_deref())
                .filter(|label| !label.is_empty()),
            // A private root cuts the host off before the bind mounts are made (as with runc).
            default_propagation: match root_propagation.map(|found| found.kind) {
                Some(PropagationKind::Private) => PropagationKind::Private,
                _ => PropagationKind::Slave,
            },
        };
        let mut steps = Vec::new();
        for (at, mount) in spec.mounts().iter().flatten().enumerate() {
            steps.extend(planner.mount(&format!("/mounts/{at}"), mount)?);
        }
        // Whoever brings a /dev of the host brings its nodes too, and they must not be touched (as with runc).
        let foreign_dev = steps.iter().any(|step| {
            matches!(step, Step::Mount(Mount { kind: MountKind::Bind { .. }, destination, .. })
                if destination == Path::new("/dev"))
        });
        if !foreign_dev {
            let requested = linux
                .and_then(|linux| linux.devices().as_deref())
                .unwrap_or_default();
            steps.extend(devices::steps(requested, facts.user_ns.as_ref())?);
        }
        let paths = |name: &str, list: Option<&Vec<String>>| {
            list.into_iter()
                .flatten()
                .enumerate()
                .map(|(at, path)| covered_path(&format!("/linux/{name}/{at}"), path))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            steps,
            root_readonly: spec
                .root()
                .as_ref()
                .and_then(|root| root.readonly())
                .unwrap_or(false),
            root_propagation,
            masked_paths: paths(
                "maskedPaths",
                linux.and_then(|linux| linux.masked_paths().as_ref()),
            )?,
            readonly_paths: paths(
                "readonlyPaths",
                linux.and_then(|linux| linux.readonly_paths().as_ref()),
            )?,
            cwd: spec.process().as_ref().map(|process| clean(process.cwd())),
            identity: facts.identity()?,
            cgroups: facts.cgroups.clone(),
        })
    }

    /// Some mount shares its events with the host.
    pub(super) fn has_shared(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step, Step::Mount(mount) if mount.is_shared()))
    }
}

impl Mount {
    pub(super) fn is_shared(&self) -> bool {
        self.propagation
            .is_some_and(|found| found.kind == PropagationKind::Shared)
    }

    /// No component of the destination may be a symlink: an image could otherwise say where procfs goes
    /// (CVE-2019-19921, CVE-2023-27561).
    pub(super) fn wants_real_directories(&self) -> bool {
        let kernel = matches!(&self.kind, MountKind::New { fstype, .. } if fstype == "proc" || fstype == "sysfs");
        kernel || self.destination.starts_with("/proc") || self.destination.starts_with("/sys")
    }
}

struct Planner<'a> {
    facts: &'a Facts,
    label: Option<&'a str>,
    default_propagation: PropagationKind,
}

impl Planner<'_> {
    fn mount(&self, pointer: &str, mount: &SpecMount) -> Result<Vec<Step>, Error> {
        for (name, mappings) in [
            ("uidMappings", mount.uid_mappings()),
            ("gidMappings", mount.gid_mappings()),
        ] {
            if mappings.as_ref().is_some_and(|list| !list.is_empty()) {
                return Err(Error::refused(
                    format!("{pointer}/{name}"),
                    "id-mapped mounts are not supported",
                ));
            }
        }
        let fstype = mount.typ().as_deref().unwrap_or_default();
        let options = mount.options().as_deref().unwrap_or_default();
        let parsed = parse(pointer, fstype, options)?;
        let is_bind = parsed.bind.is_some() || fstype == "bind";
        let destination = destination(pointer, mount.destination(), fstype, is_bind)?;
        if let Some(at) = parsed.copy_up
            && (is_bind || fstype != "tmpfs")
        {
            return Err(Error::refused(
                option_pointer(pointer, at),
                "mount option \"tmpcopyup\" is for a tmpfs only",
            ));
        }
        if is_bind {
            return Ok(vec![Step::Mount(self.bind(
                pointer,
                mount,
                destination,
                parsed,
            )?)]);
        }
        match fstype {
            "" | "none" => Err(Error::refused(
                format!("{pointer}/type"),
                "a mount needs a file system type, or one of the options bind and rbind",
            )),
            "cgroup" | "cgroup2" => Request {
                pointer,
                destination: &destination,
                fstype,
                parsed: &parsed,
                cgroup_ns: self.facts.cgroup_ns,
                view: &self.facts.cgroups,
            }
            .steps(),
            _ => Ok(vec![Step::Mount(self.fresh(
                pointer,
                mount,
                fstype,
                destination,
                parsed,
            )?)]),
        }
    }

    fn bind(
        &self,
        pointer: &str,
        mount: &SpecMount,
        destination: PathBuf,
        parsed: Parsed,
    ) -> Result<Mount, Error> {
        if let Some((at, option)) = parsed.superblock_options().min() {
            return Err(Error::refused(
                option_pointer(pointer, at),
                format!("mount option {option:?} is not supported for a bind mount"),
            ));
        }
        let source = mount
            .source()
            .as_ref()
            .filter(|source| !source.as_os_str().is_empty())
            .ok_or_else(|| {
                Error::refused(format!("{pointer}/source"), "a bind mount needs a source")
            })?;
        Ok(Mount {
            pointer: pointer.to_owned(),
            destination,
            kind: MountKind::Bind {
                source: BindSource::Path(source.clone()),
                recursive: parsed.bind.unwrap_or(false),
            },
            own: parsed.own,
            recursive: parsed.recursive,
            seal: false,
            propagation: Some(parsed.propagation.unwrap_or(Propagation {
                kind: self.default_propagation,
                recursive: true,
            })),
        })
    }

    fn fresh(
        &self,
        pointer: &str,
        mount: &SpecMount,
        fstype: &str,
        destination: PathBuf,
        parsed: Parsed,
    ) -> Result<Mount, Error> {
        if let Some(maps) = &self.facts.user_ns {
            check_ids(pointer, &parsed, maps)?;
        }
        let has = |key: &str| {
            parsed.data.iter().any(|(_, option)| {
                option
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.starts_with('='))
            })
        };
        let inherit_mode = fstype == "tmpfs" && !has("mode");
        let labelled = has("context");
        let mut options: Vec<String> = parsed
            .superblock_options()
            .map(|(_, option)| option.to_owned())
            .collect();
        if let Some(label) = self.label
            && !labelled
            && !UNLABELLED.contains(&fstype)
        {
            options.push(format!("context={label}"));
        }
        let mut own = parsed.flat();
        let read_only = own.set & MOUNT_ATTR_RDONLY != 0;
        let seal = read_only && fstype == "tmpfs";
        if seal {
            own.set &= !MOUNT_ATTR_RDONLY;
        } else if read_only && !READ_ONLY_BY_MOUNT.contains(&fstype) {
            options.push("ro".to_owned());
        }
        let source = mount
            .source()
            .as_ref()
            .map(|source| source.to_string_lossy().into_owned())
            .filter(|source| !source.is_empty());
        if source.as_ref().is_some_and(|source| source.len() > 255) {
            return Err(Error::refused(
                format!("{pointer}/source"),
                "the source has more than the 255 bytes that fsconfig(2) takes",
            ));
        }
        Ok(Mount {
            pointer: pointer.to_owned(),
            destination,
            kind: MountKind::New {
                fstype: fstype.to_owned(),
                source,
                options,
                inherit_mode,
                copy_up: parsed.copy_up.is_some(),
            },
            own,
            recursive: Attributes::default(),
            seal,
            propagation: parsed.propagation,
        })
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
