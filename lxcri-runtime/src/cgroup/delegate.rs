//! Gives a cgroup to the root user of a container that has its own user namespace.

use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{Uid, fchownat};

use super::error::Error;
use super::files;
use super::handle::Cgroup;

/// Where the kernel lists the files that go with a delegated cgroup (cgroup-v2.rst, "Model of Delegation").
const LIST: &str = "/sys/kernel/cgroup";

impl Cgroup {
    /// Makes `owner`, a user id of the host, the owner of the v2 directory and of the files that delegation needs, so that the
    /// container can make sub-cgroups in its writable cgroup mount (runtime-spec, config-linux, "Cgroup ownership"). Limits
    /// stay the runtime's. v1 cannot be delegated safely: nothing happens there.
    ///
    /// # Errors
    /// When an owner cannot be changed.
    pub fn delegate(&self, owner: Uid) -> Result<(), Error> {
        let Some(member) = self.record.unified() else {
            return Ok(());
        };
        let list = files::read_if_there(Path::new(LIST), "delegate")?;
        // Before Linux 4.15 there is no list.
        let list = list
            .as_deref()
            .unwrap_or("cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n");
        change(&member.path, owner)?;
        for file in list.lines().filter(|file| !file.contains('/')) {
            match change(&member.path.join(file), owner) {
                // A file of a controller that the cgroup does not have.
                Err(e) if e.errno() == Some(Errno::ENOENT) => {}
                other => other?,
            }
        }
        Ok(())
    }
}

fn change(path: &Path, owner: Uid) -> Result<(), Error> {
    fchownat(
        AT_FDCWD,
        path,
        Some(owner),
        None,
        AtFlags::AT_SYMLINK_NOFOLLOW,
    )
    .map_err(|e| Error::sys(format!("fchownat({}, {owner})", path.display()), e))
}
