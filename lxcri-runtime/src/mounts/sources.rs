//! Opens, in the host's mount namespace, what a container's mounts need from there.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::error::{CallError, Error};
use super::kernel;
use super::plan::MountPlan;
use super::steps::{BindSource, Mount, MountKind, PropagationKind, Step};
use super::sys;

pub(super) const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// The host's side of a container.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    /// Relative sources of bind mounts are relative to it.
    pub bundle: &'a Path,
    /// /proc/PID/cgroup of a process in the container's cgroup; may be empty if the container has a cgroup namespace.
    pub own_cgroups: &'a str,
    /// The guest part of the runtime directory; it holds an empty file `lxcri-hook`.
    pub guest: &'a Path,
    /// The installed launcher, which covers that file.
    pub launcher: &'a Path,
    /// A file that may be covered in the container's mount namespace, as /sys/fs/cgroup may be. Nothing if both may stay so
    /// because nobody looks for them there before the pivot.
    pub covered: Option<&'a Path>,
}

/// A detached tree of mounts.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) fd: OwnedFd,
    pub(super) is_directory: bool,
}

/// What was opened on the host.
#[derive(Debug)]
pub struct Sources {
    /// By the index of the step that mounts it.
    pub(super) binds: HashMap<usize, Tree>,
    pub(super) guest: OwnedFd,
    pub(super) launcher: OwnedFd,
    /// The host's procfs, which stays readable by this descriptor after the pivot.
    pub(super) proc: OwnedFd,
    pub(super) cgroup: CgroupRoot,
    pub(super) covered: Option<Covered>,
}

/// A file of the host, to be found again under its cover.
#[derive(Debug)]
pub(super) struct Covered {
    /// Without symlinks.
    pub(super) path: PathBuf,
    /// Device and inode.
    pub(super) identity: (u64, u64),
}

impl Covered {
    fn find(path: &Path) -> Option<Self> {
        let path = std::fs::canonicalize(path).ok()?;
        Some(Covered {
            identity: identity(&path).ok()??,
            path,
        })
    }
}

/// The host's /sys/fs/cgroup, to be found again under LXC's cover.
#[derive(Debug)]
pub(super) struct CgroupRoot {
    /// Device and inode; none if there is no such directory, or if it may stay covered.
    pub(super) identity: Option<(u64, u64)>,
    /// A copy of it, only with a user namespace: there the cover is locked and can itself only be covered.
    pub(super) tree: Option<OwnedFd>,
}

impl Sources {
    /// Opens everything. Call it in the host's mount namespace and when the container's cgroup exists.
    ///
    /// Symlinks in sources are followed, as runc does: they are the operator's, not the container's.
    ///
    /// # Errors
    /// A source that is missing or cannot be cloned, named by its place in config.json.
    pub fn open(plan: &MountPlan, host: &Host<'_>) -> Result<Self, Error> {
        let mut binds = HashMap::new();
        for (at, step) in plan.steps.iter().enumerate() {
            if let Step::Mount(mount) = step
                && let MountKind::Bind { source, recursive } = &mount.kind
            {
                let tree = open_bind(plan, host, mount, source, *recursive).map_err(|error| {
                    error.during(format!("cannot open the source of {}", mount.pointer))
                })?;
                binds.insert(at, tree);
            }
        }
        Ok(Self {
            binds,
            guest: private_clone(host.guest)?,
            launcher: private_clone(host.launcher)?,
            proc: open_proc()?,
            cgroup: match host.covered {
                Some(_) => open_cgroup_root(plan)?,
                None => CgroupRoot {
                    identity: None,
                    tree: None,
                },
            },
            covered: host.covered.and_then(Covered::find),
        })
    }
}

fn open_cgroup_root(plan: &MountPlan) -> Result<CgroupRoot, CallError> {
    Ok(CgroupRoot {
        identity: identity(Path::new(CGROUP_ROOT))?,
        tree: plan
            .identity
            .map(|_| sys::clone_path(Path::new(CGROUP_ROOT), true))
            .transpose()
            .or_else(|error| {
                if error.errno == Errno::ENOENT {
                    Ok(None)
                } else {
                    Err(error)
                }
            })?,
    })
}

fn open_bind(
    plan: &MountPlan,
    host: &Host<'_>,
    mount: &Mount,
    source: &BindSource,
    recursive: bool,
) -> Result<Tree, Error> {
    let path = match source {
        BindSource::Path(path) => host.bundle.join(path),
        BindSource::OwnCgroup(at) => plan
            .cgroups
            .hierarchies
            .get(*at)
            .and_then(|hierarchy| hierarchy.own_directory(host.own_cgroups))
            .ok_or_else(|| {
                Error::Unusable(
                    "the container's own cgroup is not visible in the host's hierarchy".to_owned(),
                )
            })?,
    };
    let fd = sys::clone_path(&path, recursive)?;
    let stat = kernel::stat(&fd, path.display())?;
    // A tree of files can be bound over /proc, and then lies to everyone who writes security settings there.
    if mount.destination == Path::new("/proc")
        && !(kernel::is_procfs(&fd, path.display())? && stat.st_ino == PROC_ROOT_INODE)
    {
        return Err(Error::Unusable(format!(
            "{} is not the root of a procfs, and nothing else can be mounted on /proc",
            path.display()
        )));
    }
    if !mount.is_shared() {
        // A clone of a shared mount is a peer of it: what happens in the container would happen on the host.
        sys::set_propagation(&fd, PropagationKind::Slave, true, path.display())?;
    }
    Ok(Tree {
        is_directory: kernel::is_directory(&stat),
        fd,
    })
}

/// PROC_ROOT_INO of the kernel.
const PROC_ROOT_INODE: u64 = 1;

fn private_clone(path: &Path) -> Result<OwnedFd, CallError> {
    let fd = sys::clone_path(path, false)?;
    sys::set_propagation(&fd, PropagationKind::Private, false, path.display())?;
    Ok(fd)
}

pub(crate) fn open_proc() -> Result<OwnedFd, Error> {
    let fd = nix::fcntl::open(
        "/proc",
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| CallError::new("open(/proc)", errno))?;
    if !kernel::is_procfs(&fd, "/proc")? {
        return Err(Error::Unusable(
            "/proc of the host is not a procfs".to_owned(),
        ));
    }
    Ok(fd)
}

/// Device and inode of what a path leads to.
pub(super) fn identity(path: &Path) -> Result<Option<(u64, u64)>, CallError> {
    match nix::sys::stat::stat(path) {
        Ok(stat) => Ok(Some((stat.st_dev, stat.st_ino))),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(CallError::new(format!("stat({})", path.display()), errno)),
    }
}
