//! What the steps of the engine work on.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::attach::Standing;
use super::error::Error;
use super::plan::MountPlan;
use super::resolve::Root;
use super::sources::Sources;

/// The plan, and what has been opened and made for it so far.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) plan: MountPlan,
    pub(super) sources: Sources,
    pub(super) rootfs: PathBuf,
    pub(super) lxc_dev: bool,
    pub(super) aside: PathBuf,
    /// Open since the rendezvous; the same mount after the pivot.
    pub(super) root: Option<Root>,
    /// What lies under the guest directory.
    pub(super) place: Option<OwnedFd>,
    pub(super) standing: Vec<Standing>,
    /// The host's /dev/null, detached, for the first masked file.
    pub(super) null: Option<OwnedFd>,
}

impl Work {
    pub(super) fn root(&self) -> Result<&Root, Error> {
        self.root.as_ref().ok_or_else(|| {
            Error::Unusable("the container's mounts have not been made yet".to_owned())
        })
    }
}
