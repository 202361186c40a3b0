//! Descriptors, files and pipes.

use super::{Ret, Str, call3, call5};
use crate::arch::{self, nr};
use crate::fail;

/// A descriptor. Those that every hook needs anew are closed by hand; the others live as long as the process.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Fd(pub i32);

impl Fd {
    /// No descriptor. Calls fail with it.
    pub const NONE: Fd = Fd(-1);

    /// The number as an argument of a call.
    pub(super) fn raw(self) -> usize {
        self.0 as usize
    }

    /// Closes it, if there is one. Using it afterwards is an error of the program, but not of memory.
    #[inline(never)]
    pub fn close(self) {
        if self != Fd::NONE {
            // SAFETY: takes a number only.
            let _ = unsafe { call3(nr::CLOSE, self.raw(), 0, 0) };
        }
    }
}

/// Flags of `openat`.
pub mod open {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CREATE: usize = 0o100;
    pub const APPEND: usize = 0o2000;
    pub const NONBLOCK: usize = 0o4000;
    #[cfg(target_arch = "x86_64")]
    pub const DIRECTORY: usize = 0o200_000;
    #[cfg(target_arch = "aarch64")]
    pub const DIRECTORY: usize = 0o40_000;
    pub const CLOEXEC: usize = 0o2_000_000;
    /// A place only: needs search permission, not read permission.
    pub const PATH: usize = 0o10_000_000;
}

const AT_FDCWD: usize = -100isize as usize;
const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;
const F_SETFL: usize = 4;
const RESOLVE_NO_SYMLINKS: usize = 0x4;
const FIONREAD: usize = 0x541b;

/// Opens a file by a path that is trusted, close-on-exec.
#[inline(never)]
pub fn openat(path: Str, flags: usize) -> Ret {
    // SAFETY: `path` ends with NUL.
    unsafe {
        call5(
            nr::OPENAT,
            AT_FDCWD,
            path.address(),
            flags | open::CLOEXEC,
            0,
            0,
        )
    }
}

/// Opens a file below a directory, close-on-exec, and follows no symbolic link on the way.
pub fn open_below(dir: Fd, path: Str, flags: usize) -> Ret {
    let mode = if flags & open::CREATE == 0 { 0 } else { 0o600 };
    // `struct open_how`.
    let how = [flags | open::CLOEXEC, mode, RESOLVE_NO_SYMLINKS];
    let at = how.as_ptr() as usize;
    // SAFETY: `path` ends with NUL, and the structure has the size that is passed.
    unsafe {
        call5(
            nr::OPENAT2,
            dir.raw(),
            path.address(),
            at,
            size_of_val(&how),
            0,
        )
    }
}

/// Writes once.
pub fn write(fd: Fd, bytes: &[u8]) -> Ret {
    // SAFETY: pointer and length belong to one slice.
    unsafe { call3(nr::WRITE, fd.raw(), bytes.as_ptr() as usize, bytes.len()) }
}

/// A part of what `fstat` says; 0 when the kernel does not tell.
fn stat(fd: Fd, part: usize) -> u64 {
    // `struct stat` has 144 bytes on x86_64 and 128 on aarch64.
    let mut stat = [0u64; 18];
    // SAFETY: the buffer is as large as the kernel's structure on both architectures.
    let _ = unsafe { call3(nr::FSTAT, fd.raw(), stat.as_mut_ptr() as usize, 0) };
    stat.get(part / 8).copied().unwrap_or_default() >> (part % 8 * 8)
}

/// Whether it is a regular file.
pub fn is_regular(fd: Fd) -> bool {
    stat(fd, arch::STAT_MODE) as u32 & S_IFMT == S_IFREG
}

/// The size of a file in bytes.
pub fn size(fd: Fd) -> usize {
    stat(fd, arch::STAT_SIZE) as usize
}

/// Makes a pipe, close-on-exec: read end, write end.
pub fn pipe() -> [Fd; 2] {
    let mut ends = [Fd::NONE; 2];
    // SAFETY: the kernel writes two descriptors.
    let made = unsafe { call3(nr::PIPE2, ends.as_mut_ptr() as usize, open::CLOEXEC, 0) };
    made.or_die(failure!(fail::SYSTEM, "pipe2()"));
    ends
}

/// How many bytes can be read from a pipe without waiting.
pub fn readable(fd: Fd) -> usize {
    let mut count = 0i32;
    // SAFETY: FIONREAD writes one int.
    let _ = unsafe { call3(nr::IOCTL, fd.raw(), FIONREAD, &raw mut count as usize) };
    count as usize
}

/// Clears the status flags of an open file.
pub fn clear_status_flags(fd: Fd) -> Ret {
    // SAFETY: takes numbers only.
    unsafe { call3(nr::FCNTL, fd.raw(), F_SETFL, 0) }
}

/// Duplicates to exactly this number, replacing what is open there, not close-on-exec.
pub fn duplicate_to(fd: Fd, number: usize) -> Ret {
    // SAFETY: takes numbers only.
    unsafe { call3(nr::DUP3, fd.raw(), number, 0) }
}

/// Changes the working directory to an open directory.
pub fn fchdir(dir: Fd) -> Ret {
    // SAFETY: takes numbers only.
    unsafe { call3(nr::FCHDIR, dir.raw(), 0, 0) }
}

/// Changes the working directory.
pub fn chdir(path: Str) -> Ret {
    // SAFETY: `path` ends with NUL.
    unsafe { call3(nr::CHDIR, path.address(), 0, 0) }
}

/// Closes every descriptor from this number on.
pub(super) fn close_from(first: usize) -> Ret {
    // SAFETY: takes numbers only.
    unsafe { call3(nr::CLOSE_RANGE, first, u32::MAX as usize, 0) }
}

/// Makes sure that 0, 1 and 2 are open, so that nothing opened later lands there and is taken for stdio. What can be
/// neither read nor written does.
pub(super) fn fill_stdio() {
    // The lowest free number is taken, so what is above 2 is the last.
    while let 0..=2 = openat(text!("/"), open::PATH).number() {}
}
