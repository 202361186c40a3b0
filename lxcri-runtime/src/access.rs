//! Who but the runtime's user may look into a container's directory: nobody, or the root of its user namespace.
//!
//! That root is an ordinary user for the host. It gets what the launcher needs through the group alone, so that it can
//! change nothing, and no other user of the host can read a container's environment or open its syncfifo.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::{Context, Result};

/// The rights to a container's directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The host's number of group 0 of the container's user namespace, if it has one.
    pub group: Option<u32>,
}

impl Access {
    /// Makes a directory in which the group may pass, but not look around.
    pub fn passage(self, path: &Path) -> Result<()> {
        self.set(path, 0o700, 0o710)
    }

    /// Gives a directory and everything below it the rights that the launcher needs: read, and write to sockets and FIFOs.
    pub fn tree(self, path: &Path) -> Result<()> {
        let context = || format!("read {}", path.display());
        let kind = fs::symlink_metadata(path)
            .with_context(context)?
            .file_type();
        if kind.is_dir() {
            self.set(path, 0o700, 0o750)?;
            for entry in fs::read_dir(path).with_context(context)? {
                self.tree(&entry.with_context(context)?.path())?;
            }
            return Ok(());
        }
        if kind.is_fifo() || kind.is_socket() {
            return self.set(path, 0o600, 0o660);
        }
        self.set(path, 0o600, 0o640)
    }

    /// The same for what was made with modes that are right where there is no group: then there is nothing to do.
    pub fn share(self, path: &Path) -> Result<()> {
        self.group.map_or(Ok(()), |_| self.tree(path))
    }

    /// The mode, whatever the umask is, and the group.
    fn set(self, path: &Path, alone: u32, with_group: u32) -> Result<()> {
        let set = || -> io::Result<()> {
            let mode = match self.group {
                None => alone,
                Some(group) => {
                    chown(path, None, Some(group))?;
                    with_group
                }
            };
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
        };
        set().with_context(|| format!("set owner and mode of {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn others_get_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("sub");
        fs::create_dir(&sub).unwrap();
        fs::write(sub.join("file"), "secret").unwrap();
        nix::unistd::mkfifo(
            &sub.join("fifo"),
            nix::sys::stat::Mode::from_bits_truncate(0o666),
        )
        .unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        let group = fs::metadata(&sub).unwrap().gid();
        for (access, expected) in [
            (Access { group: None }, [0o700, 0o600, 0o600]),
            (Access { group: Some(group) }, [0o750, 0o640, 0o660]),
        ] {
            access.tree(&sub).unwrap();
            assert_eq!(
                [mode(&sub), mode(&sub.join("file")), mode(&sub.join("fifo"))],
                expected
            );
        }
        Access { group: Some(group) }.passage(&sub).unwrap();
        assert_eq!(mode(&sub), 0o710);
    }
}
