//! The program against an engine that speaks the protocol over a real socket.
#![forbid(unsafe_code)]

mod engine;
mod framing;
mod hooks;
mod order;
mod plugin;
mod pre_installed;
mod reload;
mod usage;
