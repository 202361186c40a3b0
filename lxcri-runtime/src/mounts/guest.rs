//! The guest part of the runtime directory, visible in the container until init detaches it, before it waits for its start.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use hook_tree::names::{GUEST_MOUNT, LAUNCHER};
use libc::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};
use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::stat::Mode;

use super::error::Error;
use super::kernel;
use super::resolve::Root;
use super::steps::Attributes;
use super::sys;

/// /run is mounted noexec on Debian, and a bind mount keeps that.
const ATTRIBUTES: Attributes = Attributes {
    set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
    clear: MOUNT_ATTR_NOEXEC,
};

fn name() -> &'static OsStr {
    OsStr::new(GUEST_MOUNT.trim_start_matches('/'))
}

/// Mounts the guest directory, and the launcher over its placeholder. Both descriptors must stay open until then. Returns the
/// directory over which it is mounted (O_PATH), from which `..` leads no further than the container's root.
pub(super) fn attach(root: &Root, guest: &OwnedFd, launcher: &OwnedFd) -> Result<OwnedFd, Error> {
    match kernel::make_directory(root, name(), Mode::from_bits_truncate(0o755)) {
        Err(error) if error.errno != Errno::EEXIST => return Err(error.into()),
        _ => {}
    }
    let target =
        kernel::open_at(root, name(), OFlag::O_PATH | OFlag::O_DIRECTORY).map_err(|error| {
            let error = Error::from(error);
            error.during(format!("{GUEST_MOUNT} in the rootfs is no directory"))
        })?;
    sys::set_attributes(guest, ATTRIBUTES, false, GUEST_MOUNT)?;
    sys::move_mount(guest, &target, GUEST_MOUNT)?;
    let placeholder = kernel::open_in_root(
        guest,
        Path::new(LAUNCHER),
        OFlag::O_PATH,
        ResolveFlag::RESOLVE_NO_SYMLINKS,
    )?;
    sys::set_attributes(launcher, ATTRIBUTES, false, LAUNCHER)?;
    sys::move_mount(
        launcher,
        &placeholder,
        format_args!("{GUEST_MOUNT}/{LAUNCHER}"),
    )?;
    Ok(target)
}
