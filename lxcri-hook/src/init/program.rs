//! Executes the user's program, looked up like `execvp` does.

use crate::errno::Errno;
use crate::fail::{self, die, die_of};
use crate::sys::{self, Buf, Pointers};
use hook_tree::{Cmdline, Environ};

/// Where programs are looked for without a `PATH`, as in glibc and musl.
const DEFAULT_SEARCH: &[u8] = b"/bin:/usr/bin";

/// Executes the program.
pub fn execute(cmdline: &Cmdline, environ: &Environ) -> ! {
    let (mut argv, mut envp) = (Buf::new(), Buf::new());
    let argv = Pointers::collect(cmdline.argv(), &mut argv);
    let envp = Pointers::collect(environ.entries(), &mut envp);
    let name = cmdline.path().to_bytes();
    if name.contains(&b'/') {
        let errno = sys::exec(cmdline.path(), argv, envp);
        die_of(fail::PROGRAM, b"execve", name, errno);
    }
    match search(
        name,
        environ.get("PATH").unwrap_or(DEFAULT_SEARCH),
        argv,
        envp,
    ) {
        Errno::ENOENT => {
            let why: &[u8] = b"): executable file not found in $PATH";
            die(fail::PROGRAM, &[b"execve(", name, why])
        }
        errno => die_of(fail::PROGRAM, b"execve", name, errno),
    }
}

/// Tries each directory. A file that may not be executed is passed over, but remembered for the error.
fn search(name: &[u8], path: &[u8], argv: Pointers, envp: Pointers) -> Errno {
    let mut result = Errno::ENOENT;
    let mut candidate = Buf::new();
    for dir in path.split(|byte| *byte == b':') {
        candidate.clear();
        // An empty element is the working directory.
        let slash: &[u8] = if dir.is_empty() { b"" } else { b"/" };
        candidate.append(&[dir, slash, name, b"\0"]);
        match sys::exec(candidate.string(), argv, envp) {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => result = Errno::EACCES,
            errno => return errno,
        }
    }
    result
}
