//! NRI plugin that injects the hooks of hooks.d and hooks.json into the containers of an engine.
//!
//! The engine (containerd, CRI-O) asks the plugin before it creates a container, and appends the hooks of the answer to the
//! container's config.json. `wire` speaks the protocol, `session` follows its order of calls, `injector` answers.
#![deny(unsafe_code)]

pub mod adjust;
pub mod arrival;
pub mod cli;
pub mod injector;
pub mod log;
pub mod metrics;
pub mod metrics_server;
pub mod options;
pub mod pins;
pub mod problems;
pub mod process;
pub mod session;
pub mod signals;
pub mod start;
pub mod subject;
pub mod supervise;
#[allow(unsafe_code)]
mod sys;
pub mod wire;
