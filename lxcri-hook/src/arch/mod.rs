//! What differs between the processors: entry, system calls, and the numbers and layouts of the kernel.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::{STAT_MODE, STAT_SIZE, clone_vfork, nr, syscall3, syscall6, trap};

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub use aarch64::{STAT_MODE, STAT_SIZE, clone_vfork, nr, syscall3, syscall6, trap};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the launcher knows x86_64 and aarch64 only");
