//! Watches private copies of runtimes, so that nothing else on the machine is held.
#![forbid(unsafe_code)]

mod burst;
mod containers;
mod descriptors;
mod ending;
mod fake;
mod faults;
mod forms;
mod hangs;
mod hooks;
mod hostile;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod library;
mod lxc;
mod options;
mod paths;
mod real;
mod reload;
mod two;
mod unseen;
mod watcher;
