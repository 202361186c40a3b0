//! Starts a program inside a container's cgroup, with the cgroup file systems hidden from it.

use std::convert::Infallible;
use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use lxc_entry::gate::SOCKET;
use lxc_entry::{ENTER_CGROUP, Entry, Failure, Shell};

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
    /// The shell that is covered.
    pub shell: Option<&'a Shell<'a>>,
    /// What it enters before it executes the program. Without it the program has /proc as its working directory.
    pub entry: Option<&'a Entry<'a>>,
    /// What it inherits as [`SOCKET`](lxc_entry::gate::SOCKET).
    pub socket: Option<BorrowedFd<'a>>,
    /// What becomes stdin, stdout and stderr.
    pub stdio: BorrowedFd<'a>,
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
        Some(failure) => {
            // SAFETY: waits for the child that has just exited.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
            let Failure { step, errno, .. } = failure;
            let tasks = spawn.entry.and_then(|e| e.tasks.get(failure.entered));
            let step = match tasks.filter(|_| step == ENTER_CGROUP) {
                Some(tasks) => format!("write({}, 0)", path_of(*tasks)),
                None => step.to_owned(),
            };
            Err((step, io::Error::from_raw_os_error(errno)))
        }
    }
}

/// The path of an open file as it is now.
fn path_of(file: RawFd) -> String {
    let link = std::fs::read_link(format!("/proc/self/fd/{file}"));
    link.map_or_else(|_| "tasks".to_owned(), |path| path.display().to_string())
}

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
    /// The step that failed.
    failure: Option<Failure>,
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|s| s.as_ptr())
        .chain([std::ptr::null()])
        .collect()
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
    let Err(failure) = unsafe { execute(child) };
    child.failure = Some(failure);
    // SAFETY: does not return.
    unsafe { libc::_exit(127) }
}

/// Does all steps and executes the program. Returns the step that failed.
///
/// # Safety
/// As for [`run`].
unsafe fn execute(child: &mut Child) -> Result<Infallible, Failure> {
    let spawn = child.spawn;
    // SAFETY: numbers, strings that are NUL-ended and live, and the caller's promise.
    unsafe {
        lxc_entry::hide(spawn.shell)?;
        match spawn.entry {
            Some(entry) => lxc_entry::join(entry)?,
            // Nothing can be made there.
            None => step("chdir(/proc)", libc::chdir(c"/proc".as_ptr()))?,
        }
        // A key on the caller's terminal is the caller's to see to: LXC or the launcher would end before it.
        step("setpgid", libc::setpgid(0, 0))?;
        for number in 0..3 {
            let copied = libc::dup2(spawn.stdio.as_raw_fd(), number);
            step("dup2(stdio)", copied)?;
        }
        if let Some(socket) = spawn.socket {
            step("dup2(socket)", inherit(socket.as_raw_fd()))?;
        }
        libc::execve(
            spawn.program.as_ptr(),
            child.arguments.as_ptr(),
            child.environment.as_ptr(),
        );
    }
    Err(failure("execve"))
}

fn step(name: &'static str, result: libc::c_int) -> Result<(), Failure> {
    if result < 0 {
        Err(failure(name))
    } else {
        Ok(())
    }
}

/// A step that has just failed.
fn failure(step: &'static str) -> Failure {
    Failure {
        step,
        // SAFETY: errno is that of the waiting thread, whose thread-local storage this is.
        errno: unsafe { *libc::__errno_location() },
        entered: 0,
    }
}

/// Gives a descriptor the number that the program knows, without close-on-exec.
///
/// # Safety
/// Only in a new process, whose descriptor of that number nobody needs.
unsafe fn inherit(socket: RawFd) -> libc::c_int {
    // SAFETY: numbers.
    unsafe {
        if socket == SOCKET {
            libc::fcntl(socket, libc::F_SETFD, 0)
        } else {
            libc::dup2(socket, SOCKET)
        }
    }
}
