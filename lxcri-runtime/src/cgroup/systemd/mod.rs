//! The systemd driver (`--systemd-cgroup`): the container's cgroup is a scope that systemd owns.
//!
//! systemd is asked through its own tools, systemd-run and systemctl, which talk to it with or without a D-Bus daemon.
//! A scope comes into being with a process in it and goes with its last one, so a placeholder holds it until the container's
//! own process is inside.
//!
//! Limits are written to the cgroup's files as with the other driver, and told to systemd as well: it writes those it knows
//! anew whenever it reloads its units.

mod properties;
#[cfg(test)]
mod tests;
mod tools;
mod unit;

pub(super) use properties::set_properties;
pub(super) use tools::{Placeholder, stop};
pub(super) use unit::{Unit, require};
