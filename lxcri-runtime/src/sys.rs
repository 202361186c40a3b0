//! System calls for which nix has no wrapper, and what runs between fork and exec.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// pidfd_open(2).
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers and returns a new descriptor that nobody else owns.
    unsafe {
        let fd = check(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// pidfd_send_signal(2).
pub fn pidfd_send_signal(pidfd: BorrowedFd, signal: i32) -> io::Result<()> {
    // SAFETY: the null siginfo asks the kernel for the default one; no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, 0, 0) })
        .map(drop)
}

/// Sets close-on-exec on every descriptor from `first` on: close_range(2) with CLOSE_RANGE_CLOEXEC.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: only flags change; no descriptor is closed, so no owner is surprised.
    check(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    })
    .map(drop)
}

/// The capabilities in the calling thread's bounding set, and the number of the highest that the kernel knows (prctl(2),
/// PR_CAPBSET_READ). `None` where the kernel does not say.
pub fn bounding_capabilities() -> Option<(u64, u32)> {
    let mut mask = 0;
    let mut last = None;
    for number in 0..u64::BITS {
        // SAFETY: only numbers go in.
        match unsafe { libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(number), 0, 0, 0) } {
            0 => {}
            1 => mask |= 1 << number,
            _ => break,
        }
        last = Some(number);
    }
    last.map(|last| (mask, last))
}

/// The type of a namespace as CLONE_NEW*: ioctl NS_GET_NSTYPE, ioctl_ns(2). Only for files of nsfs: to others the number may
/// mean something else.
pub fn namespace_type(fd: BorrowedFd) -> io::Result<libc::c_int> {
    // SAFETY: this ioctl takes no argument and changes nothing.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::NS_GET_NSTYPE) }.into())
        .map(|kind| kind as libc::c_int)
}

/// Whether a descriptor of this number is open.
pub fn is_open(fd: RawFd) -> bool {
    // SAFETY: fcntl with F_GETFD changes nothing.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// Gives every signal its default disposition and empties the mask, as a program expects that was started afresh.
pub fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL installs no code of ours. KILL, STOP and the two that glibc keeps for itself are refused,
        // which is of no importance.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // A file that the caller's RLIMIT_FSIZE does not permit is an error like any other. Launcher and hooks get the default back.
    // SAFETY: as above.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    // SAFETY: the set lives on this stack and is initialised by sigemptyset before it is read.
    unsafe {
        let mut empty = std::mem::zeroed();
        libc::sigemptyset(&mut empty);
        libc::sigprocmask(libc::SIG_SETMASK, &empty, std::ptr::null_mut());
    }
}

/// prlimit(2): sets the limits of another process and returns the old ones.
pub fn prlimit(pid: i32, resource: u32, new: Option<(u64, u64)>) -> io::Result<(u64, u64)> {
    let new = new.map(|(soft, hard)| libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    });
    let mut old = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let pointer = new
        .as_ref()
        .map_or(std::ptr::null(), |limit| limit as *const _);
    // SAFETY: both pointers are to live structures of the type that the kernel expects, or null.
    check(unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            pid,
            resource,
            pointer,
            &mut old as *mut _,
        )
    })?;
    Ok((old.rlim_cur, old.rlim_max))
}

/// Sets the size of a terminal: ioctl TIOCSWINSZ.
pub fn set_window_size(fd: BorrowedFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the ioctl reads one structure.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSWINSZ, &size) }.into()).map(drop)
}

/// The size of a terminal in rows and columns: ioctl TIOCGWINSZ.
pub fn window_size(fd: BorrowedFd) -> io::Result<(u16, u16)> {
    // SAFETY: all-zero is a valid winsize, and the ioctl fills it.
    unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        check(libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &mut size).into())?;
        Ok((size.ws_row, size.ws_col))
    }
}

/// Sets the loopback interface of the calling thread's network namespace up: ioctl SIOCSIFFLAGS, netdevice(7).
pub fn loopback_up() -> io::Result<()> {
    // SAFETY: socket returns a new descriptor that nobody else owns; all-zero is a valid ifreq, its name ends with NUL, and
    // the ioctls read and write one such structure.
    unsafe {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        let fd = check(libc::socket(libc::AF_UNIX, kind, 0).into())?;
        let socket = OwnedFd::from_raw_fd(fd as RawFd);
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(*b"lo") {
            *to = from as libc::c_char;
        }
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &mut request).into())?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request).into()).map(drop)
    }
}

/// Does some work in a child process that dies with this one, and waits for it. `false` when the child was killed.
///
/// Only where this process has one thread: the child goes on with a copy of its memory, locks included.
pub fn apart(work: impl FnOnce()) -> io::Result<bool> {
    // SAFETY: there is one thread, so the child may do whatever this process could.
    let pid = check(unsafe { libc::fork() }.into())? as libc::pid_t;
    if pid == 0 {
        // SAFETY: two numbers.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        work();
        // SAFETY: does not return, and runs nothing that belongs to the parent.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    loop {
        // SAFETY: `status` may be written to, and nobody else waits for this child.
        match check(unsafe { libc::waitpid(pid, &mut status, 0) }.into()) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
            Ok(_) => return Ok(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0),
        }
    }
}

/// A number that nobody can guess (getrandom(2)).
pub fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    // SAFETY: the buffer has the length that is passed. So few bytes come all at once or not at all.
    check(unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) } as libc::c_long)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Takes ownership of a descriptor that a system call has just returned, or that the program inherited and claims once.
pub fn received(fd: RawFd) -> OwnedFd {
    // SAFETY: the callers pass numbers that are open and that nothing else in this process owns.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Has all threads allocate from one arena (mallopt(3)). They are few and short-lived, and the memory for an arena of its own
/// is more work for the kernel than what a thread does with it.
pub fn one_arena() {
    // SAFETY: two numbers. It may fail, and nothing depends on it.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
