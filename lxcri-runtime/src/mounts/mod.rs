//! Makes every mount of a container, in its mount namespace, before LXC pivots.
//!
//! LXC refuses symlinked destinations, turns propagation around and cannot interleave cgroup mounts, so the runtime
//! mounts by itself with the mount API of Linux 5.12. In order of use:
//!
//! 1. [`MountPlan::new`]: config.json → an ordered list of steps; pure, refuses what cannot be done with its JSON pointer.
//! 2. [`Sources::open`]: on the host, opens what is bind-mounted, before anything else can move it.
//! 3. [`Engine::make_mounts`]: at the rendezvous; new superblocks come from a [`SuperblockMaker`] that works inside the
//!    container's namespaces.
//! 4. [`Engine::open_pty`], only with a terminal.
//! 5. [`Engine::finish`]: when LXC has pivoted and init has reported; puts propagation right and seals what must be
//!    read-only, after the createRuntime and createContainer hooks, which may still write (as with runc).

mod attach;
mod cgroupfs;
mod console;
mod copyup;
mod devices;
mod engine;
mod error;
mod facts;
mod finish;
mod guest;
mod identity;
mod kernel;
mod nodes;
mod options;
mod plan;
mod propagation;
mod resolve;
mod rules;
mod show;
mod sources;
mod steps;
mod thread;
mod work;

#[allow(unsafe_code)]
mod sys;

pub use cgroupfs::{CgroupView, Hierarchy};
pub use console::Pty;
pub(crate) use devices::DEFAULT_DEVICES;
pub use engine::{Begin, Engine};
pub use error::{CallError, Error, MakeError};
pub use facts::{Facts, IdMap, IdMaps};
pub use identity::Identity;
pub use options::known_options;
pub use plan::MountPlan;
pub(crate) use rules::clean;
pub(crate) use sources::open_proc;
pub use sources::{Host, Sources};
pub use steps::{
    Attributes, BindSource, Device, DeviceKind, Mount, MountKind, Propagation, PropagationKind,
    Step,
};
pub use sys::make_superblock;
pub(crate) use sys::set_domain_name;
pub(crate) use thread::{in_thread, is_chrooted};

use std::os::fd::OwnedFd;

/// A superblock that is asked for, as [`SuperblockMaker::make`] takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Type of the file system.
    pub fstype: String,
    /// The option `source`.
    pub source: Option<String>,
    /// All other options.
    pub options: Vec<String>,
    /// MOUNT_ATTR_* flags for fsmount(2).
    pub attrs: u64,
}

/// Makes new superblocks inside the container's user, pid, network, IPC and cgroup namespaces.
///
/// The kernel takes a superblock's owner from the process that asks for it, so the runtime cannot do this from a
/// thread of its own: the launcher does it, and sends the detached mount over the sync socket.
pub trait SuperblockMaker: Send {
    /// Says what will be asked for, in this order, so that it can be made ahead. Other requests may come in between.
    fn announce(&mut self, _requests: Vec<Request>) {}

    /// Returns a detached mount, as fsmount(2) does.
    ///
    /// `options` are `key` (FSCONFIG_SET_FLAG) or `key=value` (FSCONFIG_SET_STRING); `source` is the key of that
    /// name. `attrs` are MOUNT_ATTR_* flags for fsmount(2).
    fn make(
        &mut self,
        fstype: &str,
        source: Option<&str>,
        options: &[String],
        attrs: u64,
    ) -> Result<OwnedFd, MakeError>;
}
