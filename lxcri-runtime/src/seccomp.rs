//! Compiles `linux.seccomp` with libseccomp.
