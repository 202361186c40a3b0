//! Puts hooks into the config.json of a bundle, and runs the OCI runtime behind it.
#![forbid(unsafe_code)]

pub mod argv;
pub mod config;
