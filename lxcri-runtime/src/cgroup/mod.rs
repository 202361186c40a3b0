//! The container's cgroup: found, made, entered, limited, emptied and removed by the runtime itself, on cgroup v1, hybrid and v2.
//!
//! liblxc sees no cgroup file system and does nothing here (it is twice as fast that way, and behaves the same in
//! every version). A container's life with this module:
//!
//! 1. [`CgroupLayout::detect`] reads what is mounted; [`CgroupPlan::new`] decides which directories the container
//!    gets; [`check`] refuses resources this machine cannot provide, before anything exists.
//! 2. [`CgroupPlan::record`] is written to disk, then [`CgroupPlan::create`] makes the directories, and
//!    [`Cgroup::record`] replaces what was written: from then on the processes inside are this container's.
//! 3. [`Cgroup::apply_devices`] may run before anybody is inside (no moment without rules), the child enters through
//!    [`Cgroup::entrance_fds`] or is born inside through [`Cgroup::dir_fd`], and [`Cgroup::apply_limits`] follows when
//!    LXC has done its part, so that `pids.max = 1` does not stop LXC itself.
//!    [`Cgroup::settle`] ends the preparations. [`Cgroup::delegate`] is for containers with a user namespace.
//! 4. Other commands start at [`Cgroup::from_record`] and need no discovery: [`Cgroup::pids`],
//!    [`Cgroup::signal_all`], [`Cgroup::freeze`], [`Cgroup::remove`].

#![deny(unsafe_code)]

mod apply;
mod create;
mod delegate;
mod devices;
mod error;
mod files;
mod freezer;
mod handle;
mod layout;
mod plan;
mod proc;
mod record;
mod remove;
mod resources;
mod signal;
mod systemd;
mod tree;

pub use apply::check;
pub use error::{Error, Problem};
pub use handle::Cgroup;
pub use layout::{CgroupLayout, Hierarchy};
pub use plan::CgroupPlan;
pub use record::{CgroupRecord, Member, Mode, State, Version};

#[cfg(test)]
mod apply_tests;
#[cfg(test)]
mod device_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
