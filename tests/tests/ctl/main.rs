//! The command lxcri-ctl where a machine is needed: engines, daemons, processes.

mod engines;
mod killed;
mod restart;
mod support;
