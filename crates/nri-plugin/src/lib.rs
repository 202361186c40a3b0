//! NRI plugin that injects the hooks of hooks.d and hooks.json into the containers of an engine.
//!
//! The engine (containerd, CRI-O) asks the plugin before it creates a container, and appends the hooks of the answer to the
//! container's config.json. `wire` speaks the protocol, `session` follows its order of calls.
#![forbid(unsafe_code)]

pub mod adjust;
pub mod log;
pub mod metrics;
pub mod metrics_server;
pub mod options;
pub mod problems;
pub mod session;
pub mod signals;
pub mod subject;
pub mod wire;
