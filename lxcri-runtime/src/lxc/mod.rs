//! LXC: its configuration, its tools, its messages.

pub mod config;
pub mod gate;
#[allow(unsafe_code)]
mod sys;
pub mod tools;
