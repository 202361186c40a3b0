//! lxcri: an OCI runtime on LXC.
pub mod cgroup;
pub mod features;
pub mod mounts;
pub mod process_settings;
pub mod seccomp;
pub mod spec;
