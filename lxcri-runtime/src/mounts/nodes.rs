//! Makes device nodes and symlinks in a container's /dev.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, SFlag, makedev};
use nix::unistd::UnlinkatFlags;

use super::error::{CallError, Error};
use super::finish::READ_ONLY;
use super::kernel;
use super::resolve::Root;
use super::steps::{Device, DeviceKind, PropagationKind};
use super::sys;

/// Makes one device node. Returns the mount if that is what it took.
pub(super) fn device(root: &Root, device: &Device) -> Result<Option<OwnedFd>, Error> {
    let (dir, name) = root.make_parent(&device.path)?;
    if device.bind {
        return bind(&dir, name, device).map(Some);
    }
    let kind = flag(device.kind);
    let made = nix::sys::stat::mknodat(
        &dir,
        name,
        kind,
        Mode::from_bits_truncate(device.mode),
        makedev(device.major, device.minor),
    );
    match made {
        Ok(()) => {
            kernel::change_owner(&dir, name, device.uid, device.gid)?;
            Ok(None)
        }
        Err(Errno::EEXIST) => existing(&dir, name, device),
        // No CAP_MKNOD, as within another container.
        Err(Errno::EPERM) if device.kind != DeviceKind::Fifo => bind(&dir, name, device).map(Some),
        Err(errno) => {
            let call = format!(
                "mknodat({}, {kind:?}, {}:{})",
                device.path.display(),
                device.major,
                device.minor
            );
            Err(CallError::new(call, errno).into())
        }
    }
}

/// The image brings something of that name. The same device stays; an empty file, which is what unprivileged tools
/// make of a node when they unpack an image, is covered with the host's node.
fn existing(dir: &OwnedFd, name: &OsStr, device: &Device) -> Result<Option<OwnedFd>, Error> {
    let fd = kernel::open_at(dir, name, OFlag::O_PATH)?;
    let stat = kernel::stat(&fd, device.path.display())?;
    if is_device(&stat, device) {
        return Ok(None);
    }
    if kernel::kind(&stat) == SFlag::S_IFREG && device.kind != DeviceKind::Fifo {
        return bind(dir, name, device).map(Some);
    }
    Err(Error::Unusable(format!(
        "{} exists in the rootfs and is something else",
        device.path.display()
    )))
}

/// Bind-mounts the host's node of the same path, which is still visible here, read-only.
fn bind(dir: &OwnedFd, name: &OsStr, device: &Device) -> Result<OwnedFd, Error> {
    let tree = sys::clone_path(&device.path, false)?;
    let stat = kernel::stat(&tree, device.path.display())?;
    if !is_device(&stat, device) {
        return Err(Error::Unusable(format!(
            "{} of the host is another device",
            device.path.display()
        )));
    }
    // The node is the host's: what is written to the device is the container's business, owner, mode and times are not.
    sys::set_attributes(&tree, READ_ONLY, false, device.path.display())?;
    cover(dir, name, &device.path, tree)
}

/// Mounts `tree`, a file, over `name`, which is made if it is missing and never followed if it is a symlink.
pub(super) fn cover(
    dir: &OwnedFd,
    name: &OsStr,
    path: &Path,
    tree: OwnedFd,
) -> Result<OwnedFd, Error> {
    match kernel::make_file(dir, name, Mode::from_bits_truncate(0o644)) {
        Ok(_) => {}
        Err(error) if error.errno == Errno::EEXIST => {}
        Err(error) => return Err(error.into()),
    }
    let target = kernel::open_at(dir, name, OFlag::O_PATH)?;
    if kernel::kind(&kernel::stat(&target, path.display())?) == SFlag::S_IFLNK {
        return Err(Error::Unusable(format!(
            "{} is a symlink in the rootfs",
            path.display()
        )));
    }
    sys::set_propagation(&tree, PropagationKind::Private, false, path.display())?;
    sys::move_mount(&tree, &target, path.display())?;
    Ok(tree)
}

fn is_device(stat: &FileStat, device: &Device) -> bool {
    kernel::kind(stat) == flag(device.kind)
        && (device.kind == DeviceKind::Fifo || stat.st_rdev == makedev(device.major, device.minor))
}

fn flag(kind: DeviceKind) -> SFlag {
    match kind {
        DeviceKind::Char => SFlag::S_IFCHR,
        DeviceKind::Block => SFlag::S_IFBLK,
        DeviceKind::Fifo => SFlag::S_IFIFO,
    }
}

/// Makes a symlink. What is there already stays, or, with `replace`, makes room unless it is a directory.
pub(super) fn symlink(root: &Root, path: &Path, target: &str, replace: bool) -> Result<(), Error> {
    let (dir, name) = root.make_parent(path)?;
    let target = OsStr::new(target);
    match kernel::make_symlink(target, &dir, name) {
        Err(error) if error.errno == Errno::EEXIST => {}
        other => return Ok(other?),
    }
    if !replace || points_to(&dir, name, target) {
        return Ok(());
    }
    match nix::unistd::unlinkat(&dir, name, UnlinkatFlags::NoRemoveDir) {
        // Another container on the same rootfs does the same at the same time.
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => {
            return Err(CallError::new(format!("unlinkat({})", path.display()), errno).into());
        }
    }
    match kernel::make_symlink(target, &dir, name) {
        Err(error) if error.errno == Errno::EEXIST && points_to(&dir, name, target) => Ok(()),
        other => Ok(other?),
    }
}

fn points_to(dir: &OwnedFd, name: &OsStr, target: &OsStr) -> bool {
    nix::fcntl::readlinkat(dir, name).is_ok_and(|text| text == target)
}
