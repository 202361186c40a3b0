//! Starts a program inside a container's cgroup, with the cgroup file systems hidden from it.

use std::convert::Infallible;
use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sched::CloneFlags;

/// Where cgroup file systems are mounted on every distribution that LXC supports.
const CGROUP_ROOT: &CStr = c"/sys/fs/cgroup";

/// What is executed, and what it is born with.
pub struct Spawn<'a> {
    /// The program, an absolute path.
    pub program: &'a CStr,
    /// Its arguments from argv[0] on.
    pub arguments: &'a [CString],
    /// Its environment.
    pub environment: &'a [CString],
    /// The v2 cgroup in which it is born.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Files of the v1 cgroups that it enters, open for writing: `tasks`, not `cgroup.procs`.
    ///
    /// A thread that moves itself alone need not wait until no process of the machine forks or executes, which takes the
    /// kernel several milliseconds (`cgroup_procs_write_start` since Linux 5.17).
    pub tasks: &'a [OwnedFd],
    /// Namespaces to join, CLONE_NEW* with each. A user namespace comes last, and its root executes the program.
    pub namespaces: &'a [(OwnedFd, CloneFlags)],
    /// An empty directory that covers the cgroup file systems, in a mount namespace of its own.
    pub cover: &'a CStr,
    /// What LXC would start for a hook, and what takes its place.
    pub shell: Option<&'a Shell>,
    /// What becomes stdin, stdout and stderr.
    pub null: BorrowedFd<'a>,
}

/// A shell that is covered in the mount namespace of the program.
pub struct Shell {
    /// Its file, an absolute path without symlinks.
    pub path: CString,
    /// The mount in which it lies.
    pub mount_point: CString,
    /// The program that is mounted over it.
    pub cover: CString,
}

/// A child that was started.
pub struct Spawned {
    /// Its pid.
    pub pid: i32,
    /// A pidfd of it.
    pub pidfd: OwnedFd,
}

/// Starts the program. It dies together with the calling thread.
///
/// The child borrows this process's memory and the calling thread waits until it has executed the program (vfork(2)): a
/// copy would have to be made of every page that either of the two writes to meanwhile.
///
/// # Errors
/// The step that failed, and why.
pub fn spawn(spawn: &Spawn) -> Result<Spawned, (String, io::Error)> {
    let mut child = Child {
        spawn,
        arguments: pointers(spawn.arguments),
        environment: pointers(spawn.environment),
        entered: 0,
        failure: None,
    };
    let mut stack = Box::<[Slot]>::new_uninit_slice(STACK / size_of::<Slot>());
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_PIDFD | libc::CLONE_VM | libc::CLONE_VFORK;
    let mut args = libc::clone_args {
        flags: flags as u64,
        pidfd: &raw mut pidfd as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack.as_mut_ptr() as u64,
        stack_size: STACK as u64,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    if let Some(cgroup) = spawn.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: the child has a stack of its own, and everything it is given outlives it, because this thread waits until it
    // has executed the program or exited (CLONE_VFORK); it makes system calls on what was prepared above and nothing else.
    let pid = unsafe { clone_and_run(&mut args, &mut child) };
    if pid < 0 {
        return Err(("clone3".into(), io::Error::from_raw_os_error(-pid as i32)));
    }
    let pid = pid as i32;
    // SAFETY: the kernel has stored a new descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    match child.failure {
        None => Ok(Spawned { pid, pidfd }),
        Some((step, errno)) => {
            // SAFETY: waits for the child that has just exited.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
            let step = match spawn.tasks.get(child.entered).filter(|_| step == ENTER) {
                Some(tasks) => format!("write({}, 0)", path_of(tasks)),
                None => step.to_owned(),
            };
            Err((step, io::Error::from_raw_os_error(errno)))
        }
    }
}

/// The path of an open file as it is now.
fn path_of(file: &OwnedFd) -> String {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    link.map_or_else(|_| "tasks".to_owned(), |path| path.display().to_string())
}

/// The step of entering a v1 cgroup.
const ENTER: &str = "write(tasks, 0)";

/// Not in every libc crate's headers: linux/sched.h.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Bytes of the child's stack. It needs a few hundred.
const STACK: usize = 64 << 10;

/// Pieces of a stack, aligned as the ABIs want its end to be.
type Slot = u128;

/// What the child works on, in the memory of its parent.
struct Child<'a> {
    spawn: &'a Spawn<'a>,
    /// Pointers to the strings, ended by NULL.
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    /// How many v1 cgroups it has entered.
    entered: usize,
    /// The step that failed, and its errno.
    failure: Option<(&'static str, i32)>,
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|s| s.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// The step of joining a namespace.
fn joining(kind: CloneFlags) -> &'static str {
    match kind {
        CloneFlags::CLONE_NEWCGROUP => "setns(CLONE_NEWCGROUP)",
        CloneFlags::CLONE_NEWIPC => "setns(CLONE_NEWIPC)",
        CloneFlags::CLONE_NEWNET => "setns(CLONE_NEWNET)",
        CloneFlags::CLONE_NEWPID => "setns(CLONE_NEWPID)",
        CloneFlags::CLONE_NEWUSER => "setns(CLONE_NEWUSER)",
        CloneFlags::CLONE_NEWUTS => "setns(CLONE_NEWUTS)",
        _ => "setns",
    }
}

/// Becomes root of the user namespace that has just been joined, with a mount namespace that belongs to it. Returns the step
/// that failed, with its error in errno.
///
/// By system call, because the wrappers of libc change all threads of the process whose memory this is.
///
/// # Safety
/// Async-signal-safe; only in a process of its own.
unsafe fn become_root() -> Result<(), &'static str> {
    let step = |name, result: libc::c_long| if result < 0 { Err(name) } else { Ok(()) };
    // SAFETY: numbers and a null pointer, which an empty list of groups may have.
    unsafe {
        let no_groups = std::ptr::null::<libc::gid_t>();
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
        step(
            "prctl(PR_SET_PDEATHSIG, SIGKILL)",
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL).into(),
        )
    }
}

/// Covers the shell, if that is possible: without it LXC starts the shell, and that the program.
///
/// The mount in which it lies must not be shared: the cover would appear on the host. As a slave it goes on to follow the host.
///
/// # Safety
/// Async-signal-safe; only in a mount namespace of its own.
unsafe fn cover(shell: &Shell) {
    let (path, mount_point) = (shell.path.as_ptr(), shell.mount_point.as_ptr());
    let null = std::ptr::null::<c_char>();
    // SAFETY: the strings are NUL-ended and live; null is allowed where the kernel ignores the argument.
    unsafe {
        if crate::sys::mount_id(&shell.path)
            .is_some_and(|id| crate::sys::mount_id(&shell.mount_point) == Some(id))
            && libc::mount(null, mount_point, null, libc::MS_SLAVE, null.cast()) == 0
        {
            libc::mount(shell.cover.as_ptr(), path, null, libc::MS_BIND, null.cast());
        }
    }
}

/// clone3(2), and [`run`] in the child. Returns the child's pid or a negated errno.
///
/// No C library has a function for it: clone(3) cannot put the child into a cgroup.
///
/// # Safety
/// `args` names a stack that nobody else uses, and its flags CLONE_VM and CLONE_VFORK.
unsafe fn clone_and_run(args: &mut libc::clone_args, child: &mut Child) -> isize {
    let result: isize;
    // SAFETY: in the parent only the registers that are named change; the child never leaves `run`.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call {run}",
            "ud2",
            "2:",
            run = sym run,
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") args,
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") child,
            out("rcx") _,
            out("r11") _,
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x9",
            "bl {run}",
            "brk 1",
            "2:",
            run = sym run,
            inlateout("x0") args => result,
            in("x1") size_of::<libc::clone_args>(),
            in("x8") libc::SYS_clone3,
            in("x9") child,
        );
    }
    result
}

/// The child: async-signal-safe from here on.
///
/// # Safety
/// Only in a new process that has the parent's memory to itself.
unsafe extern "C" fn run(child: &mut Child) -> ! {
    // SAFETY: the caller's promise.
    let Err(step) = unsafe { execute(child) };
    // SAFETY: errno is that of the waiting thread, whose thread-local storage this is; _exit does not return.
    unsafe {
        child.failure = Some((step, *libc::__errno_location()));
        libc::_exit(127)
    }
}

/// Does all steps and executes the program. Returns the step that failed, with its error in errno.
///
/// # Safety
/// As for [`run`].
unsafe fn execute(child: &mut Child) -> Result<Infallible, &'static str> {
    let spawn = child.spawn;
    let null = std::ptr::null::<c_char>();
    let step = |name: &'static str, result: libc::c_int| match result {
        ..0 => Err(name),
        _ => Ok(()),
    };
    // SAFETY: the strings are NUL-ended and live; null is allowed where the kernel ignores the argument.
    unsafe {
        step(
            "prctl(PR_SET_PDEATHSIG, SIGKILL)",
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL),
        )?;
        for file in spawn.tasks {
            let written = libc::write(file.as_raw_fd(), c"0".as_ptr().cast(), 1);
            step(ENTER, written as libc::c_int)?;
            child.entered += 1;
        }
        step("unshare(CLONE_NEWNS)", libc::unshare(libc::CLONE_NEWNS))?;
        // Only this one mount becomes private, so that what is mounted over it stays in this namespace, while the others
        // keep their propagation: shared mounts of a container stay peers of the host's.
        let target = CGROUP_ROOT.as_ptr();
        let private = libc::mount(null, target, null, libc::MS_PRIVATE, null.cast());
        // Not a mount point, or no such directory: there are no cgroups to hide.
        if private == 0 || !matches!(*libc::__errno_location(), libc::EINVAL | libc::ENOENT) {
            step("mount(/sys/fs/cgroup, MS_PRIVATE)", private)?;
            let cover = spawn.cover.as_ptr();
            step(
                "mount(/sys/fs/cgroup, MS_BIND)",
                libc::mount(cover, target, null, libc::MS_BIND, null.cast()),
            )?;
        }
        if let Some(shell) = spawn.shell {
            cover(shell);
        }
        for number in 0..3 {
            let copied = libc::dup2(spawn.null.as_raw_fd(), number);
            step("dup2(/dev/null)", copied)?;
        }
        for (namespace, kind) in spawn.namespaces {
            let joined = libc::setns(namespace.as_raw_fd(), kind.bits());
            step(joining(*kind), joined)?;
            if *kind == CloneFlags::CLONE_NEWUSER {
                become_root()?;
            }
        }
        libc::execve(
            spawn.program.as_ptr(),
            child.arguments.as_ptr(),
            child.environment.as_ptr(),
        );
    }
    Err("execve")
}
