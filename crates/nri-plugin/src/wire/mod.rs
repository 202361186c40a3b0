//! What goes over the socket: a multiplexer, ttrpc on two of its channels, and NRI's messages in ttrpc.

pub mod connection;
pub mod messages;
pub mod mux;
pub mod ttrpc;
