//! System calls that neither nix nor std wrap: the mount API of Linux 5.2 to 5.12, thread credentials, ptys.

use std::ffi::CString;
use std::fmt::Display;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use libc::{AT_EMPTY_PATH, AT_RECURSIVE, c_int, c_long, c_uint};
use nix::errno::Errno;

use super::error::{CallError, MakeError};
use super::identity::Identity;
use super::steps::{Attributes, PropagationKind};

fn string(text: &[u8], call: impl FnOnce() -> String) -> Result<CString, CallError> {
    CString::new(text).map_err(|_| CallError::new(call(), Errno::EINVAL))
}

fn check(result: c_long, call: impl FnOnce() -> String) -> Result<c_long, CallError> {
    Errno::result(result).map_err(|errno| CallError::new(call(), errno))
}

fn owned(result: c_long, call: impl FnOnce() -> String) -> Result<OwnedFd, CallError> {
    let number = check(result, call)? as RawFd;
    // SAFETY: the kernel has just returned this descriptor as new, so nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// A detached copy of what `path` names, symlinks followed, with the mounts below it if `recursive`.
pub(super) fn clone_path(path: &Path, recursive: bool) -> Result<OwnedFd, CallError> {
    let call = || format!("open_tree({}, {})", path.display(), clone_text(recursive));
    let text = string(path.as_os_str().as_bytes(), call)?;
    // SAFETY: open_tree reads a NUL-ended string, which `text` is and stays during the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_open_tree,
            libc::AT_FDCWD,
            text.as_ptr(),
            clone_flags(recursive),
        )
    };
    owned(result, call)
}

/// A detached copy of what `fd` refers to; `shown` is its name in an error.
pub(super) fn clone_fd(
    fd: impl AsFd,
    recursive: bool,
    shown: impl Display,
) -> Result<OwnedFd, CallError> {
    // SAFETY: open_tree reads a NUL-ended string, here an empty one of static lifetime.
    let result = unsafe {
        libc::syscall(
            libc::SYS_open_tree,
            fd.as_fd().as_raw_fd(),
            c"".as_ptr(),
            clone_flags(recursive) | AT_EMPTY_PATH as c_uint,
        )
    };
    owned(result, || {
        format!("open_tree({shown}, {})", clone_text(recursive))
    })
}

fn clone_flags(recursive: bool) -> c_uint {
    let below = if recursive { AT_RECURSIVE as c_uint } else { 0 };
    libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | below
}

fn clone_text(recursive: bool) -> &'static str {
    if recursive {
        "OPEN_TREE_CLONE|AT_RECURSIVE"
    } else {
        "OPEN_TREE_CLONE"
    }
}

/// Puts the detached mount `tree` onto `target`, both by descriptor, so that no path can change its meaning meanwhile.
pub(super) fn move_mount(
    tree: impl AsFd,
    target: impl AsFd,
    shown: impl Display,
) -> Result<(), CallError> {
    // SAFETY: move_mount reads two NUL-ended strings, here empty ones of static lifetime.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            target.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH,
        )
    };
    check(result, || format!("move_mount({shown})")).map(drop)
}

/// Changes attributes of the mount `fd` refers to.
pub(super) fn set_attributes(
    fd: impl AsFd,
    attributes: Attributes,
    recursive: bool,
    shown: impl Display,
) -> Result<(), CallError> {
    setattr(fd.as_fd(), attributes, 0, recursive, || {
        let below = if recursive { ", AT_RECURSIVE" } else { "" };
        format!("mount_setattr({shown}, {attributes}{below})")
    })
}

/// Changes the propagation of the mount `fd` refers to.
pub(super) fn set_propagation(
    fd: impl AsFd,
    kind: PropagationKind,
    recursive: bool,
    shown: impl Display,
) -> Result<(), CallError> {
    let (flag, name) = match kind {
        PropagationKind::Private => (libc::MS_PRIVATE, "MS_PRIVATE"),
        PropagationKind::Slave => (libc::MS_SLAVE, "MS_SLAVE"),
        PropagationKind::Shared => (libc::MS_SHARED, "MS_SHARED"),
        PropagationKind::Unbindable => (libc::MS_UNBINDABLE, "MS_UNBINDABLE"),
    };
    setattr(fd.as_fd(), Attributes::default(), flag, recursive, || {
        let below = if recursive { ", AT_RECURSIVE" } else { "" };
        format!("mount_setattr({shown}, {name}{below})")
    })
}

fn setattr(
    fd: BorrowedFd<'_>,
    attributes: Attributes,
    propagation: u64,
    recursive: bool,
    call: impl FnOnce() -> String,
) -> Result<(), CallError> {
    let attr = libc::mount_attr {
        attr_set: attributes.set,
        attr_clr: attributes.clear,
        propagation,
        userns_fd: 0,
    };
    let below = if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty string of static lifetime; `attr` lives during the call and its size is told.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            AT_EMPTY_PATH | below,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    check(result, call).map(drop)
}

/// Makes a superblock in the namespaces of the calling process, and returns it as a detached mount.
///
/// `options` are `key` or `key=value`, `attrs` MOUNT_ATTR_* flags. This is what a
/// [`SuperblockMaker`](super::SuperblockMaker) does inside the container.
///
/// # Errors
/// The call that failed, with what the file system itself says about it.
pub fn make_superblock(
    fstype: &str,
    source: Option<&str>,
    options: &[String],
    attrs: u64,
) -> Result<OwnedFd, MakeError> {
    let call = || format!("fsopen({fstype})");
    let name = string(fstype.as_bytes(), call)?;
    // SAFETY: fsopen reads a NUL-ended string, which `name` is and stays during the call.
    let result = unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), libc::FSOPEN_CLOEXEC) };
    let context = owned(result, call)?;
    let explained = |error: CallError| match explanation(context.as_fd()) {
        Some(text) => MakeError(format!("{error}: {text}")),
        None => error.into(),
    };
    if let Some(source) = source {
        configure(&context, fstype, "source", Some(source)).map_err(explained)?;
    }
    for option in options {
        let (key, value) = match option.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (option.as_str(), None),
        };
        configure(&context, fstype, key, value).map_err(explained)?;
    }
    // SAFETY: FSCONFIG_CMD_CREATE takes neither key nor value.
    let result = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            libc::FSCONFIG_CMD_CREATE,
            ptr::null::<u8>(),
            ptr::null::<u8>(),
            0,
        )
    };
    check(result, || {
        format!("fsconfig({fstype}, FSCONFIG_CMD_CREATE)")
    })
    .map_err(explained)?;
    // SAFETY: fsmount takes numbers only.
    let result = unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            context.as_raw_fd(),
            libc::FSMOUNT_CLOEXEC,
            attrs as c_uint,
        )
    };
    owned(result, || format!("fsmount({fstype}, {attrs:#x})")).map_err(explained)
}

fn configure(
    context: &OwnedFd,
    fstype: &str,
    key: &str,
    value: Option<&str>,
) -> Result<(), CallError> {
    let call = || match value {
        Some(value) => format!("fsconfig({fstype}, {key}={value})"),
        None => format!("fsconfig({fstype}, {key})"),
    };
    let name = string(key.as_bytes(), call)?;
    let text = value
        .map(|value| string(value.as_bytes(), call))
        .transpose()?;
    let command = if text.is_some() {
        libc::FSCONFIG_SET_STRING
    } else {
        libc::FSCONFIG_SET_FLAG
    };
    // SAFETY: key and value are NUL-ended strings that live during the call; a flag takes a null value.
    let result = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            command,
            name.as_ptr(),
            text.as_ref().map_or(ptr::null(), |text| text.as_ptr()),
            0,
        )
    };
    check(result, call).map(drop)
}

/// The last error that the file system left in the context's log, without its `e ` prefix.
fn explanation(context: BorrowedFd<'_>) -> Option<String> {
    let mut last = None;
    let mut buffer = [0; 512];
    // The log holds at most eight messages, and ends with ENODATA.
    for _ in 0..8 {
        let Ok(length) = nix::unistd::read(context, &mut buffer) else {
            break;
        };
        let text = String::from_utf8_lossy(buffer.get(..length)?);
        if let Some(message) = text.strip_prefix("e ") {
            last = Some(message.trim_end().to_owned());
        }
    }
    last
}

/// Makes the calling thread create files as `identity`, with every capability that it may have still effective.
///
/// By system call, because the wrappers of libc change all threads of the process.
pub(super) fn become_identity(identity: Identity) -> Result<(), CallError> {
    let keep: c_int = -1;
    // SAFETY: setresgid and setresuid take numbers only; as bare system calls they change this thread alone.
    let result = unsafe { libc::syscall(libc::SYS_setresgid, keep, identity.gid, keep) };
    check(result, || format!("setresgid(-1, {}, -1)", identity.gid))?;
    // SAFETY: as above.
    let result = unsafe { libc::syscall(libc::SYS_setresuid, keep, identity.uid, keep) };
    check(result, || format!("setresuid(-1, {}, -1)", identity.uid))?;
    // The real uid is still 0, so the permitted set is whole; only the effective one was dropped.
    raise_capabilities()
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// _LINUX_CAPABILITY_VERSION_3: two times 32 bits.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

fn raise_capabilities() -> Result<(), CallError> {
    let mut header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let mut data = [CapabilityData::default(); 2];
    // SAFETY: version 3 writes the header and two data structures, which is what is passed.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    check(result, || "capget()".to_owned())?;
    for half in &mut data {
        half.effective = half.permitted;
    }
    // SAFETY: version 3 reads the header and two data structures, which is what is passed.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) };
    check(result, || "capset(effective = permitted)".to_owned()).map(drop)
}

/// Unlocks the pty behind `master` and opens its other end, without any path (TIOCGPTPEER).
pub(super) fn open_peer(master: BorrowedFd<'_>) -> Result<OwnedFd, CallError> {
    let unlock: c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int, which lives during the call.
    let result = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock) };
    check(result.into(), || "ioctl(ptmx, TIOCSPTLCK, 0)".to_owned())?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open flags by value.
    let result = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    owned(result.into(), || "ioctl(ptmx, TIOCGPTPEER)".to_owned())
}

/// Sets the NIS domain name of the calling thread's UTS namespace.
pub(crate) fn set_domain_name(name: &str) -> Result<(), CallError> {
    // SAFETY: setdomainname reads exactly as many bytes as it is told, all of them within `name`.
    let result = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
    check(result.into(), || format!("setdomainname({name})")).map(drop)
}
