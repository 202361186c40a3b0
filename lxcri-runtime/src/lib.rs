//! lxcri: an OCI runtime on LXC.
pub mod cgroup;
pub mod hooks_report;
pub mod mounts;
pub mod seccomp;
pub mod spec;
pub mod sysctl;
