//! As whom things are made in a container.
#![forbid(unsafe_code)]

/// Host ids of a container's root, whom what is made in a container with a user namespace belongs to.
///
/// The host's root has no id in such a namespace: it could not even create a file on its file systems (EOVERFLOW).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}
