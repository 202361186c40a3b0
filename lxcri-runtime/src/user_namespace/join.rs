//! Whether a bundle and the user namespace that it joins go together.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::sys::statvfs::{FsFlags, statvfs};
use oci_spec::runtime::{LinuxNamespaceType, Process, Spec};

use super::maps;
use crate::mounts::{IdMap, IdMaps};
use crate::spec::Namespaces;

/// Returns the maps of the namespace behind `path`. `stated` are those of the bundle, which engines repeat there.
///
/// # Errors
/// With the JSON pointer of what does not agree.
pub fn check(spec: &Spec, path: &Path, stated: &IdMaps, rootfs: &Path) -> Result<IdMaps> {
    let at = || {
        let pointer = Namespaces::pointer(spec, LinuxNamespaceType::User);
        format!("{pointer}/path")
    };
    let maps = maps(path).with_context(at)?;
    for (name, stated, real) in [
        ("uidMappings", &stated.uids, &maps.uids),
        ("gidMappings", &stated.gids, &maps.gids),
    ] {
        if !stated.is_empty() && !same(stated, real) {
            bail!("/linux/{name}: not those of {}", path.display());
        }
    }
    let process = spec.process().as_ref().context("/process: missing")?;
    process_ids(process, &maps, path)?;
    if !is_writable(rootfs, &maps).context("/root/path")? {
        bail!(
            "/root/path: {} is not writable for the root of {}, and LXC makes a file there",
            rootfs.display(),
            path.display()
        );
    }
    Ok(maps)
}

fn same(one: &[IdMap], other: &[IdMap]) -> bool {
    one.len() == other.len() && one.iter().all(|map| other.contains(map))
}

/// An id without a mapping cannot be taken: setuid(2) fails with EINVAL.
fn process_ids(process: &Process, maps: &IdMaps, path: &Path) -> Result<()> {
    let user = process.user();
    let need = |field: &str, id: u32, mapped: Option<u32>| match mapped {
        Some(_) => Ok(()),
        None => bail!(
            "/process/user/{field}: {id} is not mapped in {}",
            path.display()
        ),
    };
    need("uid", user.uid(), maps.host_uid(user.uid()))?;
    need("gid", user.gid(), maps.host_gid(user.gid()))?;
    for (index, gid) in user.additional_gids().iter().flatten().enumerate() {
        need(
            &format!("additionalGids/{index}"),
            *gid,
            maps.host_gid(*gid),
        )?;
    }
    Ok(())
}

/// Whether root of the namespace can make a file in a directory, or nobody can because the file system is read-only. What
/// belongs to a user and a group of the namespace is its root's (capabilities(7), user_namespaces(7)).
fn is_writable(directory: &Path, maps: &IdMaps) -> Result<bool> {
    let metadata =
        fs::metadata(directory).with_context(|| format!("stat {}", directory.display()))?;
    let has = |maps: &[IdMap], id: u32| {
        maps.iter()
            .any(|m| id.checked_sub(m.host).is_some_and(|offset| offset < m.size))
    };
    let owned = has(&maps.uids, metadata.uid()) && has(&maps.gids, metadata.gid());
    let by_group = metadata.mode() & 0o030 == 0o030 && maps.host_gid(0) == Some(metadata.gid());
    if owned || by_group || metadata.mode() & 0o003 == 0o003 {
        return Ok(true);
    }
    let flags = statvfs(directory)
        .with_context(|| format!("statvfs {}", directory.display()))?
        .flags();
    Ok(flags.contains(FsFlags::ST_RDONLY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn maps(uid: u32, gid: u32) -> IdMaps {
        let map = |host| {
            vec![IdMap {
                container: 0,
                host,
                size: 10,
            }]
        };
        IdMaps {
            uids: map(uid),
            gids: map(gid),
        }
    }

    #[test]
    fn what_the_root_of_a_namespace_can_write_to() {
        let dir = tempfile::tempdir().unwrap();
        let metadata = fs::metadata(dir.path()).unwrap();
        let (uid, gid) = (metadata.uid(), metadata.gid());
        let writable = |mode: u32, maps: IdMaps| {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            is_writable(dir.path(), &maps).unwrap()
        };
        assert!(writable(0o700, maps(uid, gid)));
        assert!(!writable(0o755, maps(uid + 1, gid)));
        assert!(!writable(0o755, maps(uid, gid + 1)));
        assert!(writable(0o775, maps(uid + 1, gid)));
        assert!(writable(0o777, maps(uid + 1, gid + 1)));
    }

    #[test]
    fn the_order_of_mappings_does_not_matter() {
        let mut one = maps(1, 1).uids;
        one.extend(maps(100, 1).uids);
        let mut other = one.clone();
        other.reverse();
        assert!(same(&one, &other));
        assert!(!same(&one, &one[..1]));
    }
}
