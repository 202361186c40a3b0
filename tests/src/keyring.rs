//! Session keyrings, session-keyring(7).

pub use crate::sys::join_keyring as join;
