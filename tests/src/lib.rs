//! Support for the privileged tests: the runtime under test, bundles, the probe's orders and records, bounded commands,
//! guards that clean up, and the search for what was left behind.
//!
//! The variables that choose what is tested and how are described in docs/testing.md.
#![deny(unsafe_code)]

pub mod bundle;
pub mod cgroups;
pub mod command;
pub mod container;
pub mod engine;
pub mod judge;
pub mod keyring;
pub mod leaks;
pub mod mountinfo;
pub mod need;
pub mod phase;
pub mod probe;
pub mod runtime;
pub mod scratch;
#[allow(unsafe_code)]
mod sys;
pub mod terminal;
pub mod wrapper;
