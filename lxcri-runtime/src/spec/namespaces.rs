//! What a bundle says about each kind of namespace.

use std::path::PathBuf;

use oci_spec::runtime::{LinuxNamespaceType as Type, Spec};

/// Where one of the container's namespaces comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Namespace {
    /// Not listed: the container shares the runtime's namespace.
    #[default]
    Inherited,
    /// Listed without a path: a new one.
    New,
    /// Listed with a path: the one behind this file.
    Path(PathBuf),
}

impl Namespace {
    /// Whether the container's namespace is listed, be it new or joined by path.
    pub fn is_private(&self) -> bool {
        *self != Namespace::Inherited
    }

    /// Whether it is made for this container.
    pub fn is_new(&self) -> bool {
        *self == Namespace::New
    }
}

/// `linux.namespaces` by type. There is no `time`, because time namespaces are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is the namespace of that type")]
pub struct Namespaces {
    pub pid: Namespace,
    pub network: Namespace,
    pub ipc: Namespace,
    pub uts: Namespace,
    pub mount: Namespace,
    pub user: Namespace,
    pub cgroup: Namespace,
}

impl Namespaces {
    /// The place of a type in `linux.namespaces`, as a JSON pointer.
    pub fn pointer(spec: &Spec, kind: Type) -> String {
        let list = spec.linux().as_ref().and_then(|l| l.namespaces().as_ref());
        let at = list.and_then(|list| list.iter().position(|n| n.typ() == kind));
        at.map_or("/linux/namespaces".to_owned(), |at| {
            format!("/linux/namespaces/{at}")
        })
    }

    /// Reads `linux.namespaces`; an empty path counts as none.
    pub fn of(spec: &Spec) -> Self {
        let mut all = Self::default();
        let list = spec.linux().as_ref().and_then(|l| l.namespaces().as_ref());
        for namespace in list.into_iter().flatten() {
            let slot = match namespace.typ() {
                Type::Pid => &mut all.pid,
                Type::Network => &mut all.network,
                Type::Ipc => &mut all.ipc,
                Type::Uts => &mut all.uts,
                Type::Mount => &mut all.mount,
                Type::User => &mut all.user,
                Type::Cgroup => &mut all.cgroup,
                Type::Time => continue,
            };
            *slot = match namespace.path() {
                Some(path) if !path.as_os_str().is_empty() => Namespace::Path(path.clone()),
                _ => Namespace::New,
            };
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn new_joined_and_inherited() {
        let spec: Spec = serde_json::from_value(json!({"linux": {"namespaces": [
            {"type": "pid"},
            {"type": "network", "path": "/run/netns/x"},
            {"type": "mount", "path": ""},
        ]}}))
        .unwrap();
        let all = Namespaces::of(&spec);
        assert_eq!(all.pid, Namespace::New);
        assert_eq!(all.network, Namespace::Path("/run/netns/x".into()));
        assert_eq!(all.mount, Namespace::New);
        assert_eq!(all.ipc, Namespace::Inherited);
        assert!(all.network.is_private() && !all.network.is_new());
        assert!(!all.ipc.is_private());
    }
}
