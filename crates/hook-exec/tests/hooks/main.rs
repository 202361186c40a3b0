//! Hooks as they really run. Every one of them has a deadline, and none leaves a process.
#![forbid(unsafe_code)]

mod failures;
mod output;
mod phases;
mod support;
mod surroundings;
mod timeouts;
