//! Parses `/proc/self/mountinfo` and `/proc/self/cgroup` (proc(5), cgroups(7)); pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::error::Error;
use crate::mountinfo;

/// A mounted cgroup hierarchy, one line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Device number of the superblock, to tell whether the mount is still what one reaches by its path.
    pub device: (u32, u32),
    /// The cgroup that is the root of this mount, "/" for the whole hierarchy.
    pub root: PathBuf,
    /// Where it is mounted.
    pub point: PathBuf,
    /// Whether the mount or the superblock is read-only.
    pub read_only: bool,
    /// `None` for cgroup2, the superblock's options (which name the controllers) for v1.
    pub v1_options: Option<Vec<String>>,
}

/// The cgroup of the reader in one hierarchy, one line of `/proc/self/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    /// v1 controllers and `name=…`; empty for v2.
    pub controllers: Vec<String>,
    /// The path below the hierarchy's root, as the reader's cgroup namespace shows it.
    pub path: PathBuf,
}

/// The cgroup mounts among all mounts, in their order.
pub(super) fn parse_mountinfo(text: &[u8]) -> Result<Vec<Mount>, Error> {
    let mut mounts = Vec::new();
    for entry in mountinfo::parse(text) {
        let entry = entry.map_err(|line| Error::Malformed {
            file: "/proc/self/mountinfo",
            line: String::from_utf8_lossy(line).into_owned(),
        })?;
        let v1_options = match entry.fstype.as_str() {
            "cgroup2" => None,
            "cgroup" => Some(entry.super_options.split(',').map(str::to_owned).collect()),
            _ => continue,
        };
        mounts.push(Mount {
            device: entry.device,
            root: entry.root,
            point: entry.point,
            read_only: entry.read_only,
            v1_options,
        });
    }
    Ok(mounts)
}

/// The reader's own cgroups.
pub(super) fn parse_own(text: &[u8]) -> Result<Vec<Own>, Error> {
    let mut own = Vec::new();
    for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let mut fields = line.splitn(3, |b| *b == b':');
        let (Some(_id), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return Err(Error::Malformed {
                file: "/proc/self/cgroup",
                line: String::from_utf8_lossy(line).into_owned(),
            });
        };
        own.push(Own {
            controllers: String::from_utf8_lossy(controllers)
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            path: PathBuf::from(OsString::from_vec(path.to_vec())),
        });
    }
    Ok(own)
}

/// Where the reader's own cgroup lies below a mount; `None` when the mount does not show it.
pub(super) fn own_below(mount_root: &Path, own: &Path) -> Option<PathBuf> {
    own.strip_prefix(mount_root).ok().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cgroup_mounts_are_taken() {
        let text = b"22 27 0:21 / /proc rw,relatime - proc proc rw\n\
            31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 master:3 - cgroup cgroup rw,cpu,cpuacct\n\
            40 31 0:37 / /sys/fs/cgroup/systemd ro,relatime - cgroup cgroup rw,xattr,name=systemd\n\
            41 31 0:38 /a\\040b /sys/fs/cgroup/uni\\134fied rw,relatime - cgroup2 cgroup2 rw\n";
        let mounts = parse_mountinfo(text).unwrap();
        assert_eq!(mounts.len(), 3);
        assert_eq!(mounts[0].device, (0, 29));
        assert_eq!(
            mounts[0].v1_options.as_deref().unwrap(),
            ["rw", "cpu", "cpuacct"]
        );
        assert!(mounts[1].read_only && !mounts[0].read_only);
        assert_eq!(mounts[2].root, Path::new("/a b"));
        assert_eq!(mounts[2].point, Path::new("/sys/fs/cgroup/uni\\fied"));
        assert_eq!(mounts[2].v1_options, None);
    }

    #[test]
    fn a_cut_line_is_an_error() {
        assert!(matches!(
            parse_mountinfo(b"41 31"),
            Err(Error::Malformed { .. })
        ));
        assert!(matches!(
            parse_own(b"4:memory\n"),
            Err(Error::Malformed { .. })
        ));
    }

    #[test]
    fn own_cgroups_keep_colons_in_the_path() {
        let own = parse_own(b"4:memory:/a:b\n2:cpu,cpuacct:/\n9:name=systemd:/x\n0::/u\n").unwrap();
        assert_eq!(own[0].path, Path::new("/a:b"));
        assert_eq!(own[1].controllers, ["cpu", "cpuacct"]);
        assert_eq!(own[2].controllers, ["name=systemd"]);
        assert!(own[3].controllers.is_empty());
    }

    #[test]
    fn own_cgroup_is_seen_through_the_root_of_the_mount() {
        let below = |root: &str, own: &str| own_below(Path::new(root), Path::new(own));
        assert_eq!(below("/", "/a/b"), Some("a/b".into()));
        assert_eq!(below("/docker/1", "/docker/1"), Some("".into()));
        assert_eq!(below("/docker/1", "/docker/1/x"), Some("x".into()));
        assert_eq!(below("/docker/1", "/docker/10"), None);
    }
}
