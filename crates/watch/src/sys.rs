//! System calls that nix lacks or offers only with a promise: statx, pidfds, fork, descriptors out of events and messages.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::unistd::ForkResult;

use crate::file_id::FileId;

/// Identifies the file behind an open descriptor without asking whoever serves its file system: a server in user space
/// that does not answer must not hold the caller.
pub fn file_id(fd: BorrowedFd<'_>) -> Result<FileId, Errno> {
    stat_cached(fd, c"", libc::AT_EMPTY_PATH)
}

/// Identifies the file at an absolute path, symlinks followed.
pub fn file_id_at(path: &CStr) -> Result<FileId, Errno> {
    // SAFETY: AT_FDCWD is valid wherever a directory's descriptor is.
    let here = unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) };
    stat_cached(here, path, 0)
}

fn stat_cached(fd: BorrowedFd<'_>, path: &CStr, flags: libc::c_int) -> Result<FileId, Errno> {
    // SAFETY: plain data for which zero is a value.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: an open descriptor, a C string, and a structure that may be written to.
    let result = unsafe {
        libc::statx(
            fd.as_raw_fd(),
            path.as_ptr(),
            flags | libc::AT_STATX_DONT_SYNC,
            libc::STATX_INO,
            &mut stat,
        )
    };
    Errno::result(result)?;
    Ok(FileId {
        device: libc::makedev(stat.stx_dev_major, stat.stx_dev_minor),
        inode: stat.stx_ino,
    })
}

/// A descriptor of a process, close-on-exec.
pub fn pidfd_open(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: plain numbers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: a new descriptor that nobody else owns; descriptors fit an int.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Forks a process that has a single thread.
///
/// # Panics
/// When there are other threads: the child would find their locks held for ever.
pub fn fork() -> Result<ForkResult, Errno> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    assert_eq!(threads, 1, "fork with {threads} threads");
    // SAFETY: no other thread exists, so the child may do whatever the parent may.
    unsafe { nix::unistd::fork() }
}

/// The owner of a descriptor that the kernel has just made for an event or a message.
pub fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel made it for us, and each caller takes each number once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Sets the name that ps shows.
pub fn name_process(name: &str) {
    let Ok(name) = CString::new(name) else { return };
    // SAFETY: PR_SET_NAME reads a C string, of which it keeps 15 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

/// Has this process killed when its parent ends.
pub fn die_with_parent(parent: nix::unistd::Pid) -> Result<(), Errno> {
    // SAFETY: plain numbers.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })?;
    if nix::unistd::getppid() == parent {
        Ok(())
    } else {
        // It was over before it was set.
        Err(Errno::ESRCH)
    }
}

/// Closes every descriptor but stdio and those listed. The caller is a fresh child that uses no other any more.
pub fn close_others(keep: &[BorrowedFd<'_>]) {
    let mut keep: Vec<u32> = keep
        .iter()
        .map(|fd| fd.as_raw_fd().unsigned_abs())
        .collect();
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep {
        if first < fd {
            close_range(first, fd - 1);
        }
        first = first.max(fd + 1);
    }
    close_range(first, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: plain numbers. Owners of these descriptors are never dropped: the child ends with its main function.
    unsafe { libc::close_range(first, last, 0) };
}

/// Ignores a signal.
pub fn ignore(signal: nix::sys::signal::Signal) -> Result<(), Errno> {
    use nix::sys::signal::{SigHandler, signal as set};
    // SAFETY: no handler is installed, and none is replaced that someone relies on: the program installs none.
    unsafe { set(signal, SigHandler::SigIgn) }.map(|_| ())
}
