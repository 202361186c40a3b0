//! lxcri: an OCI runtime on LXC.
pub mod cgroup;
pub mod mounts;
pub mod seccomp;
pub mod spec;
pub mod sysctl;
