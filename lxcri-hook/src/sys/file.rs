//! Descriptors, files, directories and pipes.

use super::{Result, call};
use crate::arch::{self, nr};
use core::ffi::CStr;

/// A descriptor. Those that every hook needs anew are closed by hand; the others live as long as the process.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Fd(i32);

impl Fd {
    /// Takes a descriptor that the kernel has just returned.
    pub(super) fn from_returned(fd: usize) -> Fd {
        Fd(fd as i32)
    }

    /// A descriptor of which only the number was kept.
    pub fn from_number(number: i32) -> Fd {
        Fd(number)
    }

    /// The number.
    pub fn number(self) -> i32 {
        self.0
    }

    /// Closes it. Using it afterwards is an error of the program, but not of memory.
    pub fn close(self) {
        // SAFETY: takes a number only.
        let _ = unsafe { call(nr::CLOSE, [self.0 as usize]) };
    }
}

/// Flags of `openat`.
pub mod open {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const APPEND_OR_CREATE: usize = WRITE | 0o100 | 0o2000;
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
pub fn openat(dir: Option<Fd>, path: &CStr, flags: usize) -> Result<Fd> {
    let dir = dir.map_or(AT_FDCWD, |dir| dir.0 as usize);
    // SAFETY: `path` ends with NUL.
    let fd = unsafe {
        call(
            nr::OPENAT,
            [dir, path.as_ptr() as usize, flags | open::CLOEXEC, 0o600],
        )
    }?;
    Ok(Fd::from_returned(fd))
}

/// Writes everything.
pub fn write_all(fd: Fd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        let arguments = [fd.0 as usize, bytes.as_ptr() as usize, bytes.len()];
        // SAFETY: pointer and length belong to one slice.
        let written = unsafe { call(nr::WRITE, arguments) }?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// What `fstat` says.
pub struct Stat {
    /// Type and permissions.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The device that a device node stands for.
    pub device: u64,
}

impl Stat {
    /// Whether it is a regular file.
    pub fn is_regular(&self) -> bool {
        self.mode & S_IFMT == S_IFREG
    }

    /// Whether it is `/dev/null`.
    pub fn is_null(&self) -> bool {
        self.mode & S_IFMT == S_IFCHR && self.device == 0x103
    }
}

/// The descriptors 0, 1 and 2.
pub const STDIO: [Fd; 3] = [Fd(0), Fd(1), Fd(2)];

/// Asks for a file's attributes.
pub fn fstat(fd: Fd) -> Result<Stat> {
    // `struct stat` has 144 bytes on x86_64 and 128 on aarch64.
    let mut stat = [0u64; 18];
    // SAFETY: the buffer is as large as the kernel's structure on both architectures.
    unsafe { call(nr::FSTAT, [fd.0 as usize, stat.as_mut_ptr() as usize]) }?;
    let word = |offset: usize| stat.get(offset / 8).copied().unwrap_or(0);
    let half = |offset: usize| (word(offset) >> (offset % 8 * 8)) as u32;
    Ok(Stat {
        mode: half(arch::STAT_MODE),
        uid: half(arch::STAT_UID),
        device: word(arch::STAT_DEVICE),
    })
}

/// Makes a pipe: (read end, write end), close-on-exec.
pub fn pipe() -> Result<(Fd, Fd)> {
    let mut ends = [0i32; 2];
    // SAFETY: the kernel writes two descriptors.
    unsafe { call(nr::PIPE2, [ends.as_mut_ptr() as usize, open::CLOEXEC]) }?;
    Ok((Fd(ends[0]), Fd(ends[1])))
}

/// How many bytes can be read from a pipe without waiting.
pub fn readable(fd: Fd) -> Result<usize> {
    let mut count = 0i32;
    // SAFETY: FIONREAD writes one int.
    unsafe {
        call(
            nr::IOCTL,
            [fd.0 as usize, FIONREAD, &raw mut count as usize],
        )
    }?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Clears the status flags of an open file.
pub fn clear_status_flags(fd: Fd) -> Result<()> {
    // SAFETY: takes numbers only.
    unsafe { call(nr::FCNTL, [fd.0 as usize, F_SETFL, 0]) }.map(drop)
}

/// Duplicates to the lowest free number that is at least `least`, close-on-exec.
pub fn duplicate_above(fd: Fd, least: usize) -> Result<Fd> {
    // SAFETY: takes numbers only.
    unsafe { call(nr::FCNTL, [fd.0 as usize, F_DUPFD_CLOEXEC, least]) }.map(Fd::from_returned)
}

/// Duplicates to exactly this number, replacing what is open there.
pub fn duplicate_to(fd: Fd, number: usize, close_on_exec: bool) -> Result<()> {
    let flags = if close_on_exec { open::CLOEXEC } else { 0 };
    // SAFETY: takes numbers only.
    unsafe { call(nr::DUP3, [fd.0 as usize, number, flags]) }.map(drop)
}

/// Lets a descriptor stay open in the program to be executed.
pub fn keep_on_exec(number: usize) -> Result<()> {
    // SAFETY: takes numbers only.
    unsafe { call(nr::FCNTL, [number, F_SETFD, 0]) }.map(drop)
}

/// Gives a file to another user.
pub fn chown(fd: Fd, uid: u32) -> Result<()> {
    // SAFETY: takes numbers only; -1 keeps the group.
    unsafe { call(nr::FCHOWN, [fd.0 as usize, uid as usize, u32::MAX as usize]) }.map(drop)
}

/// Changes the working directory to an open directory.
pub fn fchdir(dir: Fd) -> Result<()> {
    // SAFETY: takes numbers only.
    unsafe { call(nr::FCHDIR, [dir.0 as usize]) }.map(drop)
}

/// Changes the working directory.
pub fn chdir(path: &CStr) -> Result<()> {
    // SAFETY: `path` ends with NUL.
    unsafe { call(nr::CHDIR, [path.as_ptr() as usize]) }.map(drop)
}

/// Closes every descriptor from this number on.
pub fn close_from(first: usize) -> Result<()> {
    // SAFETY: takes numbers only.
    unsafe { call(nr::CLOSE_RANGE, [first, u32::MAX as usize, 0]) }.map(drop)
}

/// Makes sure that 0, 1 and 2 are open, so that nothing opened later lands there and is taken for stdio.
pub fn fill_stdio() -> Result<()> {
    for number in 0..3 {
        // SAFETY: takes numbers only.
        if unsafe { call(nr::FCNTL, [number, F_GETFD]) }.is_err() {
            // The lowest free number is `number`. Without /dev/null any file that cannot be read or written does.
            let read_write = 2;
            openat(None, c"/dev/null", read_write).or_else(|_| openat(None, c"/", open::PATH))?;
        }
    }
    Ok(())
}
