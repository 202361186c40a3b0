//! Executes the user's program, looked up like `execvp` does.

use crate::errno::Errno;
use crate::fail::{self, Failure};
use crate::sys::{self, Buf, Pointers};
use core::ffi::CStr;
use hook_tree::{Cmdline, Environ};

/// Where programs are looked for without a `PATH`, as in glibc and musl.
const DEFAULT_SEARCH: &[u8] = b"/bin:/usr/bin";

/// Executes the program; returns only when that failed.
pub fn execute(cmdline: &Cmdline, environ: &Environ) -> Failure {
    let no_memory = || Failure::call(fail::NO_MEMORY, b"mmap");
    let argv = match Pointers::collect(cmdline.argv()) {
        Ok(argv) => argv,
        Err(errno) => return no_memory()(errno),
    };
    let envp = match Pointers::collect(environ.entries()) {
        Ok(envp) => envp,
        Err(errno) => return no_memory()(errno),
    };
    let name = cmdline.path().to_bytes();
    if name.contains(&b'/') {
        let errno = sys::exec(cmdline.path(), &argv, &envp);
        return Failure::of_call(fail::PROGRAM, b"execve", name, errno);
    }
    match search(
        name,
        environ.get("PATH").unwrap_or(DEFAULT_SEARCH),
        &argv,
        &envp,
    ) {
        Errno::ENOENT => Failure::new(
            fail::PROGRAM,
            &[b"execve(", name, b"): executable file not found in $PATH"],
        ),
        errno => Failure::of_call(fail::PROGRAM, b"execve", name, errno),
    }
}

/// Tries each directory. A file that may not be executed is passed over, but remembered for the error.
fn search(name: &[u8], path: &[u8], argv: &Pointers, envp: &Pointers) -> Errno {
    let mut result = Errno::ENOENT;
    let mut candidate = Buf::new();
    for dir in path.split(|byte| *byte == b':') {
        candidate.clear();
        // An empty element is the working directory.
        candidate.append(&[dir, if dir.is_empty() { b"" } else { b"/" }, name, b"\0"]);
        let Ok(file) = CStr::from_bytes_with_nul(candidate.bytes()) else {
            continue;
        };
        match sys::exec(file, argv, envp) {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => result = Errno::EACCES,
            errno => return errno,
        }
    }
    result
}
