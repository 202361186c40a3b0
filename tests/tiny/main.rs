//! The smallest static program: what `make bench` runs as hook and as container process, so that nothing but the runtime is
//! measured. Without an argument it ends with status 0 at once; `read` reads stdin to its end first; `time FILE` then appends the
//! time of CLOCK_MONOTONIC to FILE, a `struct timespec` of 16 bytes; `write` prints "ran", `sleep` takes 300 ms, `pause` stays.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod sys;

/// Nothing here panics; without the standard library the compiler wants it said.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
