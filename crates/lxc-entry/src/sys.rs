//! The system calls.

use core::ffi::{CStr, c_char, c_int, c_long};
use core::mem::MaybeUninit;
use core::ptr::null;

use crate::{CGROUP_ROOT, ENTER_CGROUP, Entry, Failure, Shell};

/// Hides the cgroup file systems in a mount namespace of its own, and mounts a cover over the shell. Dies with the parent from
/// then on.
///
/// # Errors
/// The first step that failed. Those before it are not taken back.
///
/// # Safety
/// Async-signal-safe; only in a process with one thread, which nothing else uses afterwards when it fails. Its memory may be that
/// of a parent that waits (vfork(2)).
pub unsafe fn hide(shell: Option<&Shell>) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    unsafe { take_steps_to_hide(shell) }.map_err(|step| failure(step, 0))
}

/// Enters a container.
///
/// # Errors
/// As for [`hide`].
///
/// # Safety
/// As for [`hide`].
pub unsafe fn join(entry: &Entry) -> Result<(), Failure> {
    let mut entered = 0;
    // SAFETY: the caller's promise.
    unsafe { take_steps_to_join(entry, &mut entered) }.map_err(|step| failure(step, entered))
}

fn failure(step: &'static str, entered: usize) -> Failure {
    Failure {
        step,
        // SAFETY: a thread's errno is always there.
        errno: unsafe { *libc::__errno_location() },
        entered,
    }
}

fn step(name: &'static str, result: c_int) -> Result<(), &'static str> {
    if result < 0 { Err(name) } else { Ok(()) }
}

/// Returns the step that failed, with its error in errno.
///
/// # Safety
/// As for [`hide`].
unsafe fn take_steps_to_hide(shell: Option<&Shell>) -> Result<(), &'static str> {
    // SAFETY: numbers, and the caller's promise.
    unsafe {
        die_with_parent()?;
        step("unshare(CLONE_NEWNS)", libc::unshare(libc::CLONE_NEWNS))?;
        // Only this one mount becomes private, so that what is mounted over it stays in this namespace, while the others
        // keep their propagation: shared mounts of a container stay peers of the host's.
        let private = change(CGROUP_ROOT, libc::MS_PRIVATE);
        // Not a mount point, or no such directory: there are no cgroups to hide.
        if private == 0 || !matches!(*libc::__errno_location(), libc::EINVAL | libc::ENOENT) {
            step("mount(/sys/fs/cgroup, MS_PRIVATE)", private)?;
            step("mount(/sys/fs/cgroup, tmpfs)", empty(CGROUP_ROOT))?;
        }
        if let Some(shell) = shell {
            cover(shell);
        }
    }
    Ok(())
}

/// Returns the step that failed, with its error in errno.
///
/// # Safety
/// As for [`hide`].
unsafe fn take_steps_to_join(entry: &Entry, entered: &mut usize) -> Result<(), &'static str> {
    // SAFETY: numbers, a string that lives, and the caller's promise.
    unsafe {
        die_with_parent()?;
        step("fchdir", libc::fchdir(entry.directory))?;
        for file in entry.tasks {
            let written = libc::write(*file, c"0".as_ptr().cast(), 1);
            step(ENTER_CGROUP, written as c_int)?;
            *entered += 1;
        }
        for (namespace, kind) in entry.namespaces {
            step(joining(*kind), libc::setns(*namespace, *kind))?;
            if *kind == libc::CLONE_NEWUSER {
                become_root()?;
            }
        }
    }
    Ok(())
}

/// The step of joining a namespace.
fn joining(kind: c_int) -> &'static str {
    match kind {
        libc::CLONE_NEWCGROUP => "setns(CLONE_NEWCGROUP)",
        libc::CLONE_NEWIPC => "setns(CLONE_NEWIPC)",
        libc::CLONE_NEWNET => "setns(CLONE_NEWNET)",
        libc::CLONE_NEWPID => "setns(CLONE_NEWPID)",
        libc::CLONE_NEWUSER => "setns(CLONE_NEWUSER)",
        libc::CLONE_NEWUTS => "setns(CLONE_NEWUTS)",
        _ => "setns",
    }
}

/// # Safety
/// As for [`hide`].
unsafe fn die_with_parent() -> Result<(), &'static str> {
    // SAFETY: two numbers.
    let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    step("prctl(PR_SET_PDEATHSIG, SIGKILL)", result)
}

/// Becomes root of the user namespace that has just been joined, with a mount namespace that belongs to it.
///
/// By system call, because the wrappers of libc change all threads of the process whose memory this is.
///
/// # Safety
/// As for [`hide`].
unsafe fn become_root() -> Result<(), &'static str> {
    let step = |name, result: c_long| step(name, result as c_int);
    // SAFETY: numbers and a null pointer, which an empty list of groups may have.
    unsafe {
        let no_groups = null::<libc::gid_t>();
        step(
            "setgroups(0)",
            libc::syscall(libc::SYS_setgroups, 0, no_groups),
        )?;
        step(
            "setresgid(0, 0, 0)",
            libc::syscall(libc::SYS_setresgid, 0, 0, 0),
        )?;
        step(
            "setresuid(0, 0, 0)",
            libc::syscall(libc::SYS_setresuid, 0, 0, 0),
        )?;
        step(
            "unshare(CLONE_NEWNS)",
            libc::unshare(libc::CLONE_NEWNS).into(),
        )?;
        // It is forgotten when the user changes.
        die_with_parent()
    }
}

/// Covers the shell, if that is possible: without it LXC starts the shell, and that the program.
///
/// The mount in which it lies must not be shared: the cover would appear on the host. As a slave it goes on to follow the host.
///
/// # Safety
/// Only in a mount namespace of its own.
unsafe fn cover(shell: &Shell) {
    // SAFETY: the caller's promise.
    unsafe {
        if mount_id(shell.path).is_some_and(|id| mount_id(shell.mount_point) == Some(id))
            && change(shell.mount_point, libc::MS_SLAVE) == 0
        {
            bind(shell.cover, shell.path);
        }
    }
}

/// # Safety
/// Only in a mount namespace of its own.
unsafe fn change(target: &CStr, propagation: libc::c_ulong) -> c_int {
    let null = null::<c_char>();
    // SAFETY: the string is NUL-ended; the kernel ignores the other pointers.
    unsafe { libc::mount(null, target.as_ptr(), null, propagation, null.cast()) }
}

/// Mounts a file system without anything in it.
///
/// # Safety
/// Only in a mount namespace of its own.
unsafe fn empty(target: &CStr) -> c_int {
    let name = c"tmpfs".as_ptr();
    let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let options = c"mode=755,size=4k,nr_inodes=2".as_ptr();
    // SAFETY: the strings are NUL-ended.
    unsafe { libc::mount(name, target.as_ptr(), name, flags, options.cast()) }
}

/// # Safety
/// Only in a mount namespace of its own.
unsafe fn bind(source: &CStr, target: &CStr) -> c_int {
    let (source, target, null) = (source.as_ptr(), target.as_ptr(), null::<c_char>());
    // SAFETY: the strings are NUL-ended; the kernel ignores the other pointers.
    unsafe { libc::mount(source, target, null, libc::MS_BIND, null.cast()) }
}

/// The id of the mount in which a file lies (`stx_mnt_id` in statx(2)).
pub fn mount_id(path: &CStr) -> Option<u64> {
    let mut stat = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the string is NUL-ended, and the kernel writes a structure of this type; all zeros are one as well.
    let (result, stat) = unsafe {
        let flags = libc::AT_SYMLINK_NOFOLLOW;
        let mask = libc::STATX_MNT_ID;
        let path = path.as_ptr();
        let result = libc::statx(libc::AT_FDCWD, path, flags, mask, stat.as_mut_ptr());
        (result, stat.assume_init())
    };
    (result == 0 && stat.stx_mask & libc::STATX_MNT_ID != 0).then_some(stat.stx_mnt_id)
}
