//! Puts one mount of the plan into place.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::path::Path;

use super::copyup;
use super::error::Error;
use super::kernel;
use super::resolve::{Leaf, Place, Root};
use super::rules::PROC_FILES;
use super::sources::Tree;
use super::steps::{Mount, MountKind, PropagationKind, Step};
use super::sys;
use super::{Request, SuperblockMaker};

/// A mount that stands, kept open to be changed later on.
#[derive(Debug)]
pub(super) struct Standing {
    /// The step that made it.
    pub(super) step: usize,
    pub(super) fd: OwnedFd,
}

/// Mounts `mount`, whose source is `tree` if it is a bind mount.
pub(super) fn mount(
    root: &Root,
    mount: &Mount,
    tree: Option<Tree>,
    maker: &mut dyn SuperblockMaker,
    in_user_ns: bool,
) -> Result<OwnedFd, Error> {
    let leaf = match &tree {
        Some(tree) if !tree.is_directory => Leaf::File,
        _ => Leaf::Directory,
    };
    let place = root.make(&mount.destination, leaf, mount.wants_real_directories())?;
    check_procfs(mount, &place)?;
    check_kind(mount, &place, leaf)?;
    let shown = mount.destination.display();
    let fd = match (&mount.kind, tree) {
        (MountKind::Bind { .. }, Some(tree)) => {
            change(&tree.fd, mount)?;
            tree.fd
        }
        (MountKind::Bind { .. }, None) => {
            return Err(Error::Unusable("its source was not opened".to_owned()));
        }
        (MountKind::New { .. }, _) => fresh(mount, &place, maker, in_user_ns)?,
    };
    if in_user_ns && mount.is_shared() {
        // As the kernel does it with a mount namespace for a user namespace: what its root mounts must not appear on the host.
        // With all below it, whose clones are peers of the host's whatever was asked for.
        propagate(&fd, mount, PropagationKind::Slave, true)?;
    }
    sys::move_mount(&fd, &place.fd, &shown)?;
    if let Some(propagation) = mount.propagation {
        propagate(&fd, mount, propagation.kind, propagation.recursive)?;
    }
    Ok(fd)
}

fn change(fd: &OwnedFd, mount: &Mount) -> Result<(), Error> {
    let shown = mount.destination.display();
    if !mount.own.is_empty() {
        sys::set_attributes(fd, mount.own, false, &shown)?;
    }
    if !mount.recursive.is_empty() {
        sys::set_attributes(fd, mount.recursive, true, &shown)?;
    }
    Ok(())
}

/// A recursive bind mount with plain `shared` is shared with all below it: its clones are peers of the host's already.
pub(super) fn propagate(
    fd: &OwnedFd,
    mount: &Mount,
    kind: PropagationKind,
    recursive: bool,
) -> Result<(), Error> {
    Ok(sys::set_propagation(
        fd,
        kind,
        recursive,
        mount.destination.display(),
    )?)
}

fn fresh(
    mount: &Mount,
    place: &Place,
    maker: &mut dyn SuperblockMaker,
    in_user_ns: bool,
) -> Result<OwnedFd, Error> {
    let MountKind::New {
        fstype,
        source,
        options,
        inherit_mode,
        copy_up,
    } = &mount.kind
    else {
        return Err(Error::Unusable(
            "a bind mount has no file system type".to_owned(),
        ));
    };
    let mut options = options.clone();
    if *inherit_mode && place.existed {
        let stat = kernel::stat(&place.fd, mount.destination.display())?;
        options.push(format!("mode={:04o}", stat.st_mode & 0o7777));
    }
    let fd = maker
        .make(fstype, source.as_deref(), &options, mount.own.set)
        .map_err(|error| match hint(fstype).filter(|_| in_user_ns) {
            Some(hint) => Error::Unusable(format!("{error} ({hint})")),
            None => error.into(),
        })?;
    if *copy_up && place.existed {
        copyup::copy(&place.fd, &fd).map_err(|error| error.during("tmpcopyup"))?;
    }
    Ok(fd)
}

/// What a step will ask the maker for, unless that depends on what the container's image has in its place.
pub(super) fn known_request(step: &Step) -> Option<Request> {
    match step {
        Step::Mount(Mount {
            kind:
                MountKind::New {
                    fstype,
                    source,
                    options,
                    inherit_mode: false,
                    ..
                },
            own,
            ..
        }) => Some(Request {
            fstype: fstype.clone(),
            source: source.clone(),
            options: options.clone(),
            attrs: own.set,
        }),
        _ => None,
    }
}

/// Why the kernel may refuse a file system to a user namespace (mount_too_revealing and the namespaces' owners).
fn hint(fstype: &str) -> Option<&'static str> {
    Some(match fstype {
        "proc" => {
            "a user namespace gets procfs only with a pid namespace of its own, and where the host's /proc is not partly covered"
        }
        "sysfs" => {
            "a user namespace gets sysfs only with a network namespace of its own, and where the host's /sys is not partly covered"
        }
        "mqueue" => "a user namespace gets mqueue only with an ipc namespace of its own",
        "cgroup" | "cgroup2" => {
            "a user namespace gets cgroups only with a cgroup namespace of its own"
        }
        _ => return None,
    })
}

/// By what the destination is, whatever path leads there: nothing of procfs may be covered but what the plan allows.
fn check_procfs(mount: &Mount, place: &Place) -> Result<(), Error> {
    let allowed = mount.destination == Path::new("/proc")
        || PROC_FILES
            .iter()
            .any(|file| mount.destination == Path::new(file));
    if !allowed && kernel::is_procfs(&place.fd, mount.destination.display())? {
        return Err(Error::Unusable(format!(
            "{} leads into a procfs, which must not be covered",
            mount.destination.display()
        )));
    }
    Ok(())
}

/// The kernel would say no more than EINVAL.
fn check_kind(mount: &Mount, place: &Place, leaf: Leaf) -> Result<(), Error> {
    let shown = mount.destination.display();
    let (is, wanted) = match (
        kernel::is_directory(&kernel::stat(&place.fd, &shown)?),
        leaf,
    ) {
        (true, Leaf::File) => ("a directory", "a file"),
        (false, Leaf::Directory) => ("not a directory", "a directory"),
        _ => return Ok(()),
    };
    Err(Error::Unusable(format!(
        "{shown} is {is} in the rootfs, and {wanted} is to be mounted there"
    )))
}
