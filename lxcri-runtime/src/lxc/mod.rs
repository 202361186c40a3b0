//! LXC: its configuration, its tools, its messages.

pub mod config;
pub mod tools;
