//! Executes the user's program, looked up like `execvp` does.

use crate::errno::Errno;
use crate::fail::{self, die};
use crate::sys::{self, Buf, Pointers, Ret, Str};
use hook_tree::{Strings, find};

/// Where programs are looked for without a `PATH`, as in glibc and musl.
const DEFAULT_SEARCH: &[u8] = b"/bin:/usr/bin";

/// Executes the program.
pub fn execute(mut cmdline: Strings, environ: Strings) -> ! {
    let (mut argv, mut envp) = (Buf::new(), Buf::new());
    let path = Str::next(&mut cmdline).unwrap_or(text!(""));
    let argv = Pointers::collect(cmdline, &mut argv);
    let envp = Pointers::collect(environ, &mut envp);
    let name = path.bytes();
    if find(name, b'/').is_some() {
        let result = sys::exec(path, argv, envp);
        result.or_die(fail::PROGRAM, text!("execve"), Some(path));
    }
    let result = search(
        name,
        value(environ, b"PATH=").unwrap_or(DEFAULT_SEARCH),
        argv,
        envp,
    );
    if result.errno() != Errno::ENOENT {
        result.or_die(fail::PROGRAM, text!("execve"), Some(path));
    }
    let format = text!("execve(%): executable file not found in $PATH");
    die(fail::PROGRAM, format, Some(path))
}

/// The value of the first variable with this name, as `getenv` finds it.
fn value<'a>(mut environ: Strings<'a>, name: &[u8]) -> Option<&'a [u8]> {
    loop {
        if let value @ Some(_) = environ.next_bytes()?.strip_prefix(name) {
            return value;
        }
    }
}

/// Tries each directory. A file that may not be executed is passed over, but remembered for the error.
fn search(name: &[u8], mut path: &[u8], argv: Pointers, envp: Pointers) -> Ret {
    let mut result = Ret::error(Errno::ENOENT);
    let mut candidate = Buf::new();
    loop {
        let colon = find(path, b':').unwrap_or(path.len());
        let (dir, rest) = path.split_at_checked(colon).unwrap_or_default();
        candidate.clear();
        candidate.push(dir);
        // An empty element is the working directory.
        if !dir.is_empty() {
            candidate.push(b"/");
        }
        candidate.push(name);
        let attempt = sys::exec(candidate.text(), argv, envp);
        match attempt.errno() {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => result = attempt,
            _ => return attempt,
        }
        let [_, after @ ..] = rest else { return result };
        path = after;
    }
}
