//! Entry of the program, its argument vectors, and the panic handler.

use crate::sys::Str;
use crate::{fail, report, sys};

/// What the kernel put on the stack: arguments and environment.
pub struct Start {
    argc: usize,
    argv: *const *const u8,
}

impl Start {
    /// The argument with this number, from argv\[0\] on.
    #[inline(never)]
    pub fn arg(&self, index: usize) -> Option<Str<'static>> {
        if index >= self.argc {
            return None;
        }
        // SAFETY: `argv` holds `argc` pointers to strings that live as long as the process; `index` is below `argc`.
        unsafe { Str::from_raw(*self.argv.add(index)) }
    }

    /// The value of the first environment entry with this name.
    #[inline(never)]
    pub fn env(&self, name: &[u8]) -> Option<Str<'static>> {
        let mut place = self.argc;
        loop {
            place += 1;
            // SAFETY: the environment follows the NULL after `argv` and itself ends with NULL, where the loop stops; a
            // pointer before the NULL points to a string that lives as long as the process.
            let entry = unsafe { Str::from_raw(*self.argv.add(place)) }?;
            if let Some([b'=', value @ ..]) = entry.bytes().strip_prefix(name) {
                // SAFETY: the value is the rest of that string, whose NUL follows.
                return unsafe { Str::from_raw(value.as_ptr()) };
            }
        }
    }
}

/// Called by `_start` with the initial stack pointer.
///
/// # Safety
/// `stack` is what the kernel passed at `execve`.
pub unsafe extern "C" fn entry(stack: *const usize) -> ! {
    // SAFETY: the first word on the initial stack is argc, argv follows (System V ABI, both architectures).
    let start = unsafe {
        Start {
            argc: *stack,
            argv: stack.add(1).cast(),
        }
    };
    crate::run(&start);
    sys::exit(0)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    report::tell(b"internal error");
    sys::exit(fail::INTERNAL)
}

/// Referenced by the precompiled `core`, never called: the workspace aborts on panic.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
