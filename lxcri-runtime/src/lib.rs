//! lxcri: an OCI runtime on LXC.
#![deny(unsafe_code)]

pub mod access;
pub mod ahead;
pub mod cgroup;
pub mod cli;
pub mod commands;
pub mod configuration;
pub mod console;
pub mod errors;
pub mod features;
pub mod guest;
mod hook_files;
pub mod hooks_report;
mod interrupts;
pub mod joined;
pub mod launcher;
pub mod lifecycle;
pub mod limits;
pub mod logging;
pub mod lxc;
pub mod maker;
pub mod mountinfo;
pub mod mountpoint;
pub mod mounts;
pub mod pins;
pub mod prepare;
pub mod process;
pub mod process_settings;
pub mod proxy;
pub mod record;
pub mod records;
pub mod request;
pub mod seccomp;
pub mod settings;
pub mod spec;
pub mod startup;
pub mod store;
pub mod sync;
#[allow(unsafe_code)]
pub mod sys;
pub mod sysctl;
pub mod user_namespace;

/// The version of the runtime-spec that the state says it complies with.
pub const OCI_VERSION: &str = spec::OCI_VERSION_MAX;
