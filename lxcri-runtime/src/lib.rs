//! lxcri: an OCI runtime on LXC.
#![deny(unsafe_code)]

pub mod cgroup;
pub mod hooks_report;
pub mod mounts;
pub mod process_settings;
pub mod seccomp;
pub mod spec;
pub mod sysctl;
