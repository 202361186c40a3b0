//! What a plan must know about the container's namespaces and about the host.
#![forbid(unsafe_code)]

use oci_spec::runtime::{LinuxIdMapping, LinuxNamespaceType, Spec};

use super::error::Error;
use super::{CgroupView, Identity};

/// One extent of a user namespace's map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMap {
    /// First id inside.
    pub container: u32,
    /// First id on the host.
    pub host: u32,
    /// How many.
    pub size: u32,
}

/// The maps of a container's user namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdMaps {
    /// User ids.
    pub uids: Vec<IdMap>,
    /// Group ids.
    pub gids: Vec<IdMap>,
}

impl IdMaps {
    /// The host's id of a user of the container.
    pub fn host_uid(&self, id: u32) -> Option<u32> {
        translate(&self.uids, id)
    }

    /// The host's id of a group of the container.
    pub fn host_gid(&self, id: u32) -> Option<u32> {
        translate(&self.gids, id)
    }
}

fn translate(maps: &[IdMap], id: u32) -> Option<u32> {
    maps.iter().find_map(|map| {
        let offset = id.checked_sub(map.container)?;
        (offset < map.size)
            .then(|| map.host.checked_add(offset))
            .flatten()
    })
}

/// What a plan must know beside config.json.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The maps of the container's user namespace if it has one, whether new or joined by path.
    pub user_ns: Option<IdMaps>,
    /// The container has a cgroup namespace, new or joined, that is not the runtime's.
    pub cgroup_ns: bool,
    /// The host's cgroup hierarchies.
    pub cgroups: CgroupView,
}

impl Facts {
    /// Facts as config.json tells them. A user namespace joined by path has its maps in /proc, not in config.json;
    /// the caller must then put them into `user_ns`.
    pub fn from_spec(spec: &Spec, cgroups: CgroupView) -> Self {
        let linux = spec.linux().as_ref();
        let has = |kind: LinuxNamespaceType| {
            linux
                .and_then(|linux| linux.namespaces().as_ref())
                .is_some_and(|list| list.iter().any(|ns| ns.typ() == kind))
        };
        let maps = |list: Option<&Vec<LinuxIdMapping>>| {
            list.into_iter()
                .flatten()
                .map(|map| IdMap {
                    container: map.container_id(),
                    host: map.host_id(),
                    size: map.size(),
                })
                .collect()
        };
        Self {
            user_ns: has(LinuxNamespaceType::User).then(|| IdMaps {
                uids: maps(linux.and_then(|linux| linux.uid_mappings().as_ref())),
                gids: maps(linux.and_then(|linux| linux.gid_mappings().as_ref())),
            }),
            cgroup_ns: has(LinuxNamespaceType::Cgroup),
            cgroups,
        }
    }

    /// Whom files belong to that are made in a container with a user namespace.
    pub fn identity(&self) -> Result<Option<Identity>, Error> {
        let Some(maps) = &self.user_ns else {
            return Ok(None);
        };
        let missing = |name: &str| {
            Error::refused(
                format!("/linux/{name}"),
                "id 0 has no mapping in the container's user namespace",
            )
        };
        Ok(Some(Identity {
            uid: maps.host_uid(0).ok_or_else(|| missing("uidMappings"))?,
            gid: maps.host_gid(0).ok_or_else(|| missing("gidMappings"))?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_translated_within_their_extent_only() {
        let maps = IdMaps {
            uids: vec![
                IdMap {
                    container: 0,
                    host: 100_000,
                    size: 10,
                },
                IdMap {
                    container: 20,
                    host: 7,
                    size: 1,
                },
            ],
            gids: vec![IdMap {
                container: 0,
                host: u32::MAX,
                size: 5,
            }],
        };
        assert_eq!(maps.host_uid(9), Some(100_009));
        assert_eq!(maps.host_uid(10), None);
        assert_eq!(maps.host_uid(20), Some(7));
        assert_eq!(maps.host_gid(1), None, "overflow is no id");
    }
}
