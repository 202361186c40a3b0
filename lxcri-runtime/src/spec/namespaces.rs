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

    /// Takes namespaces of the runtime for what they are, although they are listed with a path.
    pub fn inherit(&mut self, own: &[Type]) {
        for kind in own {
            if let Some(slot) = self.slot(*kind) {
                *slot = Namespace::Inherited;
            }
        }
    }

    fn slot(&mut self, kind: Type) -> Option<&mut Namespace> {
        match kind {
            Type::Pid => Some(&mut self.pid),
            Type::Network => Some(&mut self.network),
            Type::Ipc => Some(&mut self.ipc),
            Type::Uts => Some(&mut self.uts),
            Type::Mount => Some(&mut self.mount),
            Type::User => Some(&mut self.user),
            Type::Cgroup => Some(&mut self.cgroup),
            Type::Time => None,
        }
    }

    /// Reads `linux.namespaces`; an empty path counts as none.
    pub fn of(spec: &Spec) -> Self {
        let mut all = Self::default();
        let list = spec.linux().as_ref().and_then(|l| l.namespaces().as_ref());
        for namespace in list.into_iter().flatten() {
            let Some(slot) = all.slot(namespace.typ()) else {
                continue;
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

    #[test]
    fn the_runtimes_own_are_inherited() {
        let path = Namespace::Path("/run/ns".into());
        let mut all = Namespaces {
            network: path.clone(),
            uts: path.clone(),
            ..Namespaces::default()
        };
        all.inherit(&[Type::Uts]);
        assert_eq!((all.network, all.uts), (path, Namespace::Inherited));
    }
}
