//! Notices containers that nobody configured, and holds their start while hooks run.
#![deny(unsafe_code)]

pub mod adapter;
mod argv;
mod bundle;
mod channel;
pub mod cli;
mod event;
mod group;
mod journal;
mod lxc;
mod message;
mod process;
mod program;
mod responder;
mod say;
pub mod settings;
pub mod supervisor;
mod supported;
#[allow(unsafe_code)]
mod sys;
mod view;
mod worker;

pub use supported::{Unsupported, supported};
