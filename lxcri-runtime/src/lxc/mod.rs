//! LXC: its configuration, its tools, its messages.

pub mod config;
#[allow(unsafe_code)]
mod sys;
pub mod tools;
