//! Puts hooks into the config.json of a bundle, for the wrapper runtime `lxcri-inject` and for whoever does it by hand.
#![forbid(unsafe_code)]

pub mod argv;
pub mod bundle;
pub mod config;
pub mod create;
pub mod messages;
pub mod runtime;
pub mod settings;
mod settings_file;
