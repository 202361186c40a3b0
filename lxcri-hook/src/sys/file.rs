//! Descriptors, files and pipes.

use super::{Ret, Str, call3, call6};
use crate::arch::{self, nr};
use core::num::NonZeroU32;

/// A descriptor, one more than its number, so that "none" needs no room. Those that every hook needs anew are closed
/// by hand; the others live as long as the process.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Fd(NonZeroU32);

impl Fd {
    /// The descriptor with this number; none for a negative one.
    pub const fn from_number(number: i32) -> Option<Fd> {
        match NonZeroU32::new((number as u32).wrapping_add(1)) {
            Some(fd) if number >= 0 => Some(Fd(fd)),
            _ => None,
        }
    }

    /// The number.
    pub fn number(self) -> i32 {
        self.0.get() as i32 - 1
    }

    /// The number as an argument of a call.
    pub(super) fn raw(self) -> usize {
        self.number() as usize
    }

    /// Closes it. Using it afterwards is an error of the program, but not of memory.
    pub fn close(self) {
        // SAFETY: takes a number only.
        let _ = unsafe { call3(nr::CLOSE, self.raw(), 0, 0) };
    }
}

/// Flags of `openat`.
pub mod open {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const READ_WRITE: usize = 2;
    pub const CREATE: usize = 0o100;
    pub const APPEND: usize = 0o2000;
    pub const NONBLOCK: usize = 0o4000;
    #[cfg(target_arch = "x86_64")]
    pub const DIRECTORY: usize = 0o200_000;
    #[cfg(target_arch = "x86_64")]
    pub const NOFOLLOW: usize = 0o400_000;
    #[cfg(target_arch = "aarch64")]
    pub const DIRECTORY: usize = 0o40_000;
    #[cfg(target_arch = "aarch64")]
    pub const NOFOLLOW: usize = 0o100_000;
    pub const CLOEXEC: usize = 0o2_000_000;
    /// A place only: needs search permission, not read permission.
    pub const PATH: usize = 0o10_000_000;
}

const AT_FDCWD: usize = -100isize as usize;
const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;
const S_IFCHR: u32 = 0o020_000;
const F_DUPFD_CLOEXEC: usize = 1030;
const F_GETFD: usize = 1;
const F_SETFD: usize = 2;
const F_SETFL: usize = 4;
const FIONREAD: usize = 0x541b;

/// Opens a file, close-on-exec, relative to `dir` or to the working directory.
pub fn openat(dir: Option<Fd>, path: Str, flags: usize) -> Ret {
    let dir = dir.map_or(AT_FDCWD, Fd::raw);
    let how = [dir, path.address(), flags | open::CLOEXEC];
    // SAFETY: `path` ends with NUL.
    unsafe { call6(nr::OPENAT, how, [0o600, 0, 0]) }
}

/// Writes once.
pub fn write(fd: Fd, bytes: &[u8]) -> Ret {
    // SAFETY: pointer and length belong to one slice.
    unsafe { call3(nr::WRITE, fd.raw(), bytes.as_ptr() as usize, bytes.len()) }
}

/// What `fstat` says.
pub struct Stat([u64; 18]);

impl Stat {
    fn half(&self, offset: usize) -> u32 {
        let [.., word] = self.0.get(..=offset / 8).unwrap_or(&[0]) else {
            return 0;
        };
        (word >> (offset % 8 * 8)) as u32
    }

    /// Whether it is a regular file.
    pub fn is_regular(&self) -> bool {
        self.half(arch::STAT_MODE) & S_IFMT == S_IFREG
    }

    /// Whether it is `/dev/null`.
    pub fn is_null(&self) -> bool {
        self.half(arch::STAT_MODE) & S_IFMT == S_IFCHR && self.half(arch::STAT_DEVICE) == 0x103
    }

    /// The owner.
    pub fn uid(&self) -> u32 {
        self.half(arch::STAT_UID)
    }
}

/// Asks for a file's attributes; all are zero when the kernel does not tell them.
pub fn fstat(fd: Fd) -> Stat {
    // `struct stat` has 144 bytes on x86_64 and 128 on aarch64.
    let mut stat = Stat([0; 18]);
    // SAFETY: the buffer is as large as the kernel's structure on both architectures.
    let _ = unsafe { call3(nr::FSTAT, fd.raw(), stat.0.as_mut_ptr() as usize, 0) };
    stat
}

/// Makes a pipe, close-on-exec: read end, write end.
pub fn pipe(ends: &mut [i32; 2]) -> Ret {
    // SAFETY: the kernel writes two descriptors.
    unsafe { call3(nr::PIPE2, ends.as_mut_ptr() as usize, open::CLOEXEC, 0) }
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

/// Duplicates to the lowest free number that is at least `least`, close-on-exec.
pub fn duplicate_above(fd: Fd, least: usize) -> Ret {
    // SAFETY: takes numbers only.
    unsafe { call3(nr::FCNTL, fd.raw(), F_DUPFD_CLOEXEC, least) }
}

/// Duplicates to exactly this number, replacing what is open there, not close-on-exec.
pub fn duplicate_to(fd: Fd, number: usize) -> Ret {
    // SAFETY: takes numbers only.
    unsafe { call3(nr::DUP3, fd.raw(), number, 0) }
}

/// Says whether a descriptor stays open in the program to be executed.
pub fn set_close_on_exec(number: usize, close: bool) -> Ret {
    // SAFETY: takes numbers only.
    unsafe { call3(nr::FCNTL, number, F_SETFD, close.into()) }
}

/// Gives a file to another user.
pub fn chown(fd: Fd, uid: u32) -> Ret {
    // SAFETY: takes numbers only; -1 keeps the group.
    unsafe { call3(nr::FCHOWN, fd.raw(), uid as usize, u32::MAX as usize) }
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

/// Makes sure that 0, 1 and 2 are open, so that nothing opened later lands there and is taken for stdio.
pub(super) fn fill_stdio() {
    for number in 0..3 {
        // SAFETY: takes numbers only.
        let found = unsafe { call3(nr::FCNTL, number, F_GETFD, 0) };
        // The lowest free number is `number`. Without /dev/null any file that cannot be read or written does.
        if found.is_err() && openat(None, text!("/dev/null"), open::READ_WRITE).is_err() {
            let _ = openat(None, text!("/"), open::PATH);
        }
    }
}

/// The descriptor 0, 1 or 2.
pub fn stdio(number: i32) -> Option<Fd> {
    Fd::from_number(number)
}
