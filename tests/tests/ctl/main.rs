//! The command lxcri-ctl where a machine is needed: engines, daemons, processes.

mod engines;
mod faults;
mod restart;
mod settings;
mod support;
