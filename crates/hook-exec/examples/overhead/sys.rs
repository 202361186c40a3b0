//! The yardstick: vfork, execve, wait, and nothing else.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;

struct Program {
    path: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
}

extern "C" fn child(program: *mut c_void) -> c_int {
    // SAFETY: `bare` passes a pointer to a Program and is suspended until execve.
    let program = unsafe { &*program.cast::<Program>() };
    // SAFETY: a C string and two null-ended arrays of such.
    unsafe { libc::execve(program.path, program.argv, program.envp) };
    127
}

/// Runs a program and returns its wait status.
pub fn bare(path: &CString, argv: &[CString], envp: &[CString], stack: &mut [u128]) -> c_int {
    let pointers = |list: &[CString]| {
        list.iter()
            .map(|s| s.as_ptr())
            .chain([ptr::null()])
            .collect::<Vec<_>>()
    };
    let (argv, envp) = (pointers(argv), pointers(envp));
    let mut program = Program {
        path: path.as_ptr(),
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
    };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let mut status = 0;
    // SAFETY: the child runs on its own stack, given by its upper end, and this thread is suspended until it has left it.
    let pid = unsafe {
        libc::clone(
            child,
            stack.as_mut_ptr_range().end.cast(),
            flags,
            ptr::from_mut(&mut program).cast(),
        )
    };
    // SAFETY: `status` may be written to.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    status
}
