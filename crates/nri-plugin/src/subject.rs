//! What the conditions of a hook file are asked about: the container as the engine describes it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::wire::messages::{CreateContainerRequest, Mount};

/// Bind mounts that the kubelet gives to containers, beside those that every engine makes: the file for a last message, and
/// the token of the service account.
const KUBELET_MOUNTS: [&str; 2] = [
    "/dev/termination-log",
    "/var/run/secrets/kubernetes.io/serviceaccount",
];

/// Whose annotation wins when container and pod have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AnnotationOrder {
    /// The container's, which is the more particular one
    #[default]
    Container,
    /// The pod's, as with containerd's hook-injector
    Pod,
}

/// The container of a request, for hooks-d.
pub fn subject(request: &CreateContainerRequest, order: AnnotationOrder) -> hooks_d::Container {
    let container = request.container.as_ref();
    let of_container = container.map(|c| c.annotations.clone()).unwrap_or_default();
    let of_pod = request
        .pod
        .as_ref()
        .map(|p| p.annotations.clone())
        .unwrap_or_default();
    hooks_d::Container {
        annotations: match order {
            AnnotationOrder::Container => merged(of_pod, of_container),
            AnnotationOrder::Pod => merged(of_container, of_pod),
        },
        args: container
            .map(|c| c.args.clone())
            .filter(|args| !args.is_empty()),
        has_bind_mounts: container.is_some_and(|c| c.mounts.iter().any(is_users_bind_mount)),
    }
}

fn merged(
    mut base: BTreeMap<String, String>,
    winner: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    base.extend(winner);
    base
}

fn is_users_bind_mount(mount: &Mount) -> bool {
    let bind = mount.kind == "bind" || mount.options.iter().any(|o| o == "bind" || o == "rbind");
    let destination = mount.destination.trim_end_matches('/');
    bind && !KUBELET_MOUNTS.contains(&destination) && !hooks_d::Container::is_own_mount(destination)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::messages::{Container, PodSandbox};

    fn annotations(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn mount(destination: &str, kind: &str, options: &[&str]) -> Mount {
        Mount {
            destination: destination.to_owned(),
            kind: kind.to_owned(),
            source: "/src".to_owned(),
            options: options.iter().map(|o| (*o).to_owned()).collect(),
        }
    }

    fn has_bind_mounts(mounts: Vec<Mount>) -> bool {
        let request = CreateContainerRequest {
            pod: None,
            container: Some(Container {
                mounts,
                ..Container::default()
            }),
        };
        subject(&request, AnnotationOrder::Container).has_bind_mounts
    }

    #[test]
    fn the_containers_annotation_wins_unless_asked_otherwise() {
        let request = CreateContainerRequest {
            pod: Some(PodSandbox {
                annotations: annotations(&[("a", "pod"), ("b", "pod")]),
                ..PodSandbox::default()
            }),
            container: Some(Container {
                annotations: annotations(&[("a", "container"), ("c", "container")]),
                ..Container::default()
            }),
        };
        let seen = |order| subject(&request, order).annotations;
        assert_eq!(
            seen(AnnotationOrder::Container),
            annotations(&[("a", "container"), ("b", "pod"), ("c", "container")])
        );
        assert_eq!(
            seen(AnnotationOrder::Pod),
            annotations(&[("a", "pod"), ("b", "pod"), ("c", "container")])
        );
    }

    #[test]
    fn what_every_container_has_is_no_bind_mount() {
        let mut mounts = vec![
            mount("/proc", "proc", &["nosuid"]),
            mount("/dev", "tmpfs", &["mode=755"]),
            mount("/sys/fs/cgroup", "cgroup", &["ro"]),
            mount("/etc/hosts/", "bind", &["rbind"]),
        ];
        let of_engine = ["/etc/hostname", "/etc/resolv.conf", "/dev/shm"];
        let bound = of_engine.into_iter().chain(KUBELET_MOUNTS);
        mounts.extend(bound.map(|path| mount(path, "bind", &["rbind", "rw"])));
        assert!(!has_bind_mounts(mounts));
        assert!(!has_bind_mounts(vec![]));
    }

    #[test]
    fn the_users_bind_mounts_count() {
        assert!(has_bind_mounts(vec![mount("/data", "bind", &[])]));
        assert!(has_bind_mounts(vec![mount("/data", "none", &["rbind"])]));
        assert!(has_bind_mounts(vec![mount("/data", "", &["bind", "ro"])]));
        assert!(has_bind_mounts(vec![mount(
            "/run/secrets/mine",
            "bind",
            &[]
        )]));
        assert!(!has_bind_mounts(vec![mount("/data", "tmpfs", &["rw"])]));
    }
}
