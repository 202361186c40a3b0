//! The command lxcri-ctl where a machine is needed: engines, daemons, processes.
#![forbid(unsafe_code)]

mod engines;
mod faults;
mod restart;
mod settings;
mod support;
