//! The entry point without the standard library's, and signal dispositions.
//!
//! Rust's start code ignores SIGPIPE, opens /dev/null in the place of closed descriptors and installs handlers. All of
//! that would reach the runtime or cost time, so the program begins where C programs do.

use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr;

use crate::Start;

/// Called by the C library.
#[unsafe(no_mangle)]
extern "C" fn main(argc: c_int, argv: *const *const c_char, envp: *const *const c_char) -> c_int {
    hold_stdio();
    // SAFETY: the C library hands over the arrays of execve(2): NUL-ended strings with a null pointer behind the last one.
    // They stay for the life of the process, and nothing here changes the environment.
    let start = unsafe {
        Start {
            args: strings(argv)
                .take(usize::try_from(argc).unwrap_or(0))
                .collect(),
            env: strings(envp).collect(),
        }
    };
    crate::run(&start)
}

/// The strings of an array that ends with a null pointer.
///
/// # Safety
/// `array` is such an array, or null, and lives as long as the process, as its strings do.
unsafe fn strings(mut array: *const *const c_char) -> impl Iterator<Item = &'static CStr> {
    std::iter::from_fn(move || {
        // SAFETY: the array has not ended yet, or is null.
        let string = unsafe { array.as_ref() }?;
        if string.is_null() {
            return None;
        }
        // SAFETY: the pointer stands before the null pointer, so the next one is in the array; the string ends with NUL.
        unsafe {
            array = array.add(1);
            Some(CStr::from_ptr(*string))
        }
    })
}

/// Sees to it that no file of ours gets the number of a standard descriptor that the caller has closed. The runtime finds
/// it closed all the same.
fn hold_stdio() {
    for fd in 0..=2 {
        // SAFETY: plain numbers and a constant string. The lowest free number is `fd`, since those below it are open.
        unsafe {
            if libc::fcntl(fd, libc::F_GETFD) == -1 {
                libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
            }
        }
    }
}

/// The caller's dispositions of two signals, while this program works for itself.
pub struct Dispositions([(c_int, libc::sigaction); 2]);

impl Dispositions {
    /// Ignores SIGPIPE, so that a reader of stderr that is gone does not end the process, and gives SIGCHLD its default,
    /// so that hooks can be waited for.
    pub fn for_own_work() -> Dispositions {
        Dispositions([
            (libc::SIGPIPE, set(libc::SIGPIPE, libc::SIG_IGN)),
            (libc::SIGCHLD, set(libc::SIGCHLD, libc::SIG_DFL)),
        ])
    }

    /// Puts back what the caller had.
    pub fn restore(self) {
        for (signal, action) in self.0 {
            // SAFETY: an action that the kernel has filled in; after execve(2) it is "ignore" or "default", no handler.
            unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
        }
    }
}

fn set(signal: c_int, handler: libc::sighandler_t) -> libc::sigaction {
    // SAFETY: zero is a valid sigaction: no flags and an empty mask. The handler is "ignore" or "default", no code. The
    // call cannot fail for these signals and fills in `old`.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        let mut old = MaybeUninit::zeroed();
        libc::sigaction(signal, &action, old.as_mut_ptr());
        old.assume_init()
    }
}
