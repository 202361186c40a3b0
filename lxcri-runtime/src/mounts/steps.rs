//! The steps a plan consists of.
#![forbid(unsafe_code)]

use std::path::PathBuf;

/// Attributes of a mount, MOUNT_ATTR_* as mount_setattr(2) wants them. What is in neither is left as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Flags to set.
    pub set: u64,
    /// Flags to clear first.
    pub clear: u64,
}

impl Attributes {
    /// Nothing is to be changed.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// How a mount takes part in propagation, mount_namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropagationKind {
    /// No events in or out.
    Private,
    /// Events of the host come in.
    Slave,
    /// Events go both ways.
    Shared,
    /// Private, and not a source of bind mounts.
    Unbindable,
}

/// A propagation option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagation {
    /// What kind.
    pub kind: PropagationKind,
    /// For the mounts below it too.
    pub recursive: bool,
}

/// What a bind mount shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindSource {
    /// A file or directory of the host; relative means relative to the bundle.
    Path(PathBuf),
    /// The container's own directory in the cgroup hierarchy with this index in [`CgroupView`](super::CgroupView).
    OwnCgroup(usize),
}

/// Where a mount comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// Something that exists on the host.
    Bind {
        /// What it shows.
        source: BindSource,
        /// With the mounts below it.
        recursive: bool,
    },
    /// A new superblock, made inside the container's namespaces.
    New {
        /// File system type.
        fstype: String,
        /// The `source` key, shown in mountinfo.
        source: Option<String>,
        /// `key` or `key=value`.
        options: Vec<String>,
        /// A tmpfs takes the mode of the directory it covers, unless options say otherwise (as runc does).
        inherit_mode: bool,
        /// A tmpfs gets a copy of the directory it covers.
        copy_up: bool,
    },
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The place in config.json that asks for it.
    pub pointer: String,
    /// Absolute and clean path in the container.
    pub destination: PathBuf,
    /// What is mounted.
    pub kind: MountKind,
    /// Attributes of the mount itself.
    pub own: Attributes,
    /// Attributes of the mount and of all below it.
    pub recursive: Attributes,
    /// A tmpfs that becomes read-only when everything in it has been made, at [`Engine::finish`](super::Engine::finish).
    pub seal: bool,
    /// Its propagation; none for a new superblock without such an option.
    pub propagation: Option<Propagation>,
}

/// What kind of node a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// Character device.
    Char,
    /// Block device.
    Block,
    /// FIFO.
    Fifo,
}

/// One device node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The place in config.json that asks for it; none for a default device.
    pub pointer: Option<String>,
    /// Absolute and clean path in the container.
    pub path: PathBuf,
    /// What it is.
    pub kind: DeviceKind,
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner, an id of the host.
    pub uid: u32,
    /// Group, an id of the host.
    pub gid: u32,
    /// The host's node of the same path is bind-mounted, because a user namespace can have none of its own.
    pub bind: bool,
}

/// One thing to do, in the order of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Mount something.
    Mount(Mount),
    /// Make a symlink; something that is there already stays.
    Symlink {
        /// Absolute and clean path in the container.
        path: PathBuf,
        /// Its text.
        target: String,
        /// Put it in the place of what is there (`/dev/ptmx`).
        replace: bool,
    },
    /// Make a device node.
    Device(Device),
}
