//! The probe's system calls, and the program's entry.
//!
//! The probe is compiled by plain rustc without any crate, and enters at the C `main`: the Rust runtime would ignore
//! SIGPIPE, install handlers and open /dev/null over closed descriptors before the probe could look.

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int, c_long, c_uint, c_ulong};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

const AT_EXECFN: c_ulong = 31;
const PR_GET_SECCOMP: c_int = 21;
const PR_CAPBSET_READ: c_int = 23;
const PR_GET_NO_NEW_PRIVS: c_int = 39;
const PR_CAP_AMBIENT: c_int = 47;
const PR_CAP_AMBIENT_IS_SET: c_ulong = 1;
const F_GETFD: c_int = 1;
const F_GETFL: c_int = 3;
const POLLIN: i16 = 1;
const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;

#[cfg(target_arch = "x86_64")]
mod nr {
    pub const RT_SIGACTION: i64 = 13;
    pub const RT_SIGPROCMASK: i64 = 14;
    pub const CAPGET: i64 = 125;
}
#[cfg(target_arch = "aarch64")]
mod nr {
    pub const RT_SIGACTION: i64 = 134;
    pub const RT_SIGPROCMASK: i64 = 135;
    pub const CAPGET: i64 = 90;
}

#[repr(C)]
struct Utsname {
    fields: [[c_char; 65]; 6],
}

#[repr(C)]
struct Pollfd {
    fd: c_int,
    events: i16,
    revents: i16,
}

#[repr(C)]
struct Timespec {
    sec: i64,
    nsec: i64,
}

unsafe extern "C" {
    static environ: *const *const c_char;
    fn getauxval(kind: c_ulong) -> c_ulong;
    fn getpid() -> c_int;
    fn getppid() -> c_int;
    fn getpgid(pid: c_int) -> c_int;
    fn getsid(pid: c_int) -> c_int;
    fn umask(mask: c_uint) -> c_uint;
    fn getresuid(r: *mut c_uint, e: *mut c_uint, s: *mut c_uint) -> c_int;
    fn getresgid(r: *mut c_uint, e: *mut c_uint, s: *mut c_uint) -> c_int;
    fn getgroups(size: c_int, list: *mut c_uint) -> c_int;
    fn getrlimit(resource: c_uint, limit: *mut [u64; 2]) -> c_int;
    fn uname(name: *mut Utsname) -> c_int;
    fn isatty(fd: c_int) -> c_int;
    fn tcgetpgrp(fd: c_int) -> c_int;
    fn fcntl(fd: c_int, command: c_int) -> c_int;
    fn poll(fds: *mut Pollfd, count: c_ulong, timeout: c_int) -> c_int;
    fn read(fd: c_int, buffer: *mut u8, size: usize) -> isize;
    fn write(fd: c_int, buffer: *const u8, size: usize) -> isize;
    fn close(fd: c_int) -> c_int;
    fn fork() -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn signal(signal: c_int, handler: usize) -> usize;
    fn mknod(path: *const c_char, mode: c_uint, device: c_ulong) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
    fn prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

/// The entry of the program, called by the C library's start code.
///
/// # Safety
/// `argv` holds `argc` pointers to strings that end with NUL, as the C library hands them over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    // SAFETY: the caller's promise.
    let args = (0..count)
        .map(|i| unsafe { string(*argv.add(i)) })
        .collect();
    crate::run(args)
}

/// # Safety
/// `pointer` points to a string that ends with NUL.
unsafe fn string(pointer: *const c_char) -> OsString {
    // SAFETY: the caller's promise.
    OsString::from_vec(unsafe { CStr::from_ptr(pointer) }.to_bytes().to_vec())
}

/// The environment block exactly as the kernel handed it over, malformed strings included.
pub fn environment() -> Vec<OsString> {
    let mut all = Vec::new();
    // SAFETY: `environ` is the C library's array of strings, ended by a null pointer; nothing here changes it.
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            all.push(string(*next));
            next = next.add(1);
        }
    }
    all
}

/// The path that was given to execve.
pub fn exec_path() -> Option<OsString> {
    // SAFETY: AT_EXECFN is the address of a string that lives as long as the process, or 0.
    unsafe {
        let address = getauxval(AT_EXECFN) as *const c_char;
        (!address.is_null()).then(|| string(address))
    }
}

/// pid, parent's pid, process group, session.
pub fn ids() -> [i32; 4] {
    // SAFETY: these calls have no pointer arguments.
    unsafe { [getpid(), getppid(), getpgid(0), getsid(0)] }
}

/// Reads the file mode creation mask, which can only be read by setting it.
pub fn file_mask() -> u32 {
    // SAFETY: no pointer arguments; the probe has one thread.
    unsafe {
        let mask = umask(0o077);
        umask(mask);
        mask
    }
}

/// Real, effective and saved user ids, then group ids.
pub fn users() -> ([u32; 3], [u32; 3]) {
    let (mut u, mut g) = ([0; 3], [0; 3]);
    let ([ur, ue, us], [gr, ge, gs]) = (&mut u, &mut g);
    // SAFETY: six valid places to write to.
    unsafe {
        getresuid(ur, ue, us);
        getresgid(gr, ge, gs);
    }
    (u, g)
}

/// The supplementary groups.
pub fn groups() -> Vec<u32> {
    let mut list = vec![0; 1024];
    // SAFETY: the list has room for 1024 entries.
    let count = unsafe { getgroups(1024, list.as_mut_ptr()) };
    list.truncate(usize::try_from(count).unwrap_or(0));
    list
}

/// Soft and hard limit of `resource`, a number of the kernel's table.
pub fn limit(resource: u32) -> [u64; 2] {
    let mut limit = [0; 2];
    // SAFETY: struct rlimit is two 64-bit numbers on the architectures above.
    unsafe { getrlimit(resource, &mut limit) };
    limit
}

/// Host name and NIS domain name.
pub fn names() -> [OsString; 2] {
    let mut name = Utsname {
        fields: [[0; 65]; 6],
    };
    // SAFETY: a valid place to write to; the kernel ends each field with NUL.
    unsafe {
        uname(&mut name);
        [
            string(name.fields[1].as_ptr()),
            string(name.fields[5].as_ptr()),
        ]
    }
}

/// Whether the descriptor is a terminal, and its foreground process group.
pub fn terminal(fd: i32) -> Option<i32> {
    // SAFETY: no pointer arguments.
    unsafe { (isatty(fd) == 1).then(|| tcgetpgrp(fd)) }
}

/// The open descriptors below 4096 with their status flags.
pub fn descriptors() -> Vec<(i32, i32)> {
    // SAFETY: fcntl with these commands has no pointer argument.
    unsafe {
        (0..4096)
            .filter(|&fd| fcntl(fd, F_GETFD) != -1)
            .map(|fd| (fd, fcntl(fd, F_GETFL)))
            .collect()
    }
}

/// Blocked signals as a bit mask (bit 0 is signal 1), from the kernel and not from the C library, which hides two.
pub fn blocked_signals() -> u64 {
    let mut mask = 0_u64;
    // SAFETY: no new mask, eight bytes for the old one.
    unsafe {
        syscall(
            nr::RT_SIGPROCMASK as c_long,
            0_i64,
            0_i64,
            &mut mask as *mut u64,
            8_i64,
        )
    };
    mask
}

/// Ignored and caught signals as bit masks.
pub fn dispositions() -> (u64, u64) {
    let (mut ignored, mut caught) = (0, 0);
    for number in 1..=64_i64 {
        let mut action = [0_u64; 8];
        // SAFETY: no new action; the kernel's struct sigaction has at most 32 bytes and begins with the handler.
        let status = unsafe {
            syscall(
                nr::RT_SIGACTION as c_long,
                number,
                0_i64,
                action.as_mut_ptr(),
                8_i64,
            )
        };
        match (status, action[0]) {
            (0, 1) => ignored |= 1 << (number - 1),
            (0, handler) if handler != 0 => caught |= 1 << (number - 1),
            _ => {}
        }
    }
    (ignored, caught)
}

/// Capabilities: inheritable, permitted, effective, bounding, ambient.
pub fn capabilities() -> [u64; 5] {
    let header = [LINUX_CAPABILITY_VERSION_3, 0];
    let mut data = [[0_u32; 3]; 2];
    // SAFETY: header and data have the layout of version 3.
    unsafe { syscall(nr::CAPGET as c_long, header.as_ptr(), data.as_mut_ptr()) };
    let set = |kind: usize| u64::from(data[0][kind]) | u64::from(data[1][kind]) << 32;
    let (mut bounding, mut ambient) = (0, 0);
    for number in 0..64 {
        // SAFETY: these prctl options take plain numbers.
        unsafe {
            bounding |= u64::from(prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1) << number;
            ambient |= u64::from(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, number, 0, 0) == 1)
                << number;
        }
    }
    [set(2), set(1), set(0), bounding, ambient]
}

/// no_new_privs and the seccomp mode. The latter is -1 where the filter itself forbids asking.
pub fn restrictions() -> (i32, i32) {
    // SAFETY: plain numbers.
    unsafe {
        (
            prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
            prctl(PR_GET_SECCOMP, 0, 0, 0, 0),
        )
    }
}

/// Nanoseconds of the realtime (0) or monotonic (1) clock.
pub fn clock(which: i32) -> i64 {
    let mut time = Timespec { sec: 0, nsec: 0 };
    // SAFETY: a valid place to write to.
    unsafe { clock_gettime(which, &mut time) };
    time.sec * 1_000_000_000 + time.nsec
}

/// Reads standard input to its end, but waits no longer than `patience_ms` for each piece. The flag says whether the end
/// was reached.
pub fn read_stdin(patience_ms: i32) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let mut buffer = [0_u8; 65536];
    loop {
        let mut fd = Pollfd {
            fd: 0,
            events: POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd, then a buffer with its own size.
        let count = unsafe {
            if poll(&mut fd, 1, patience_ms) != 1 {
                return (all, false);
            }
            read(0, buffer.as_mut_ptr(), buffer.len())
        };
        match usize::try_from(count) {
            Ok(0) => return (all, true),
            Ok(n) => all.extend_from_slice(&buffer[..n]),
            Err(_) => return (all, false),
        }
    }
}

/// Writes all of `bytes`, or stops at the first error.
pub fn write_all(fd: i32, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: a slice with its own length.
        match usize::try_from(unsafe { write(fd, bytes.as_ptr(), bytes.len()) }) {
            Ok(n) if n > 0 => bytes = &bytes[n..],
            _ => return false,
        }
    }
    true
}

/// Closes a descriptor.
pub fn close_descriptor(fd: i32) {
    // SAFETY: nothing in the probe owns descriptors 0 to 2.
    unsafe { close(fd) };
}

/// Forks; true in the child.
pub fn fork_child() -> bool {
    // SAFETY: the probe has one thread.
    unsafe { fork() == 0 }
}

/// Ends the process by `number` with its default action.
pub fn die_by(number: i32) {
    // SAFETY: plain numbers; 0 is SIG_DFL.
    unsafe {
        signal(number, 0);
        kill(getpid(), number);
    }
}

/// Makes a device node; the error number or 0.
pub fn make_node(path: &OsStr, mode: u32, device: u64) -> i32 {
    let Ok(path) = CString::new(path.as_bytes()) else {
        return 22;
    };
    // SAFETY: a string that ends with NUL.
    let status = unsafe { mknod(path.as_ptr(), mode, device as c_ulong) };
    if status == 0 { 0 } else { last_error() }
}

/// Any system call with plain numbers; the error number or 0.
pub fn raw(numbers: [i64; 6]) -> i32 {
    let [n, a, b, c, d, e] = numbers;
    // SAFETY: the tests name only calls whose arguments are numbers or null pointers.
    let status = unsafe { syscall(n as c_long, a, b, c, d, e) };
    if status == -1 { last_error() } else { 0 }
}

fn last_error() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(-1)
}
