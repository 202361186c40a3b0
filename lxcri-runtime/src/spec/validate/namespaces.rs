//! `linux.namespaces`, id mappings, hostname and domainname.

use oci_spec::runtime::{LinuxIdMapping, Spec};

use super::super::namespaces::{Namespace, Namespaces};
use super::super::pointer::Pointer;
use super::super::problem::Problems;
use super::{Report, absolute};

/// The kernel's limit on lines in /proc/PID/uid_map (user_namespaces(7)).
const MAX_MAPPINGS: usize = 340;

/// The kernel's limit on either name of a host, `__NEW_UTS_LEN`.
const MAX_HOST_NAME: usize = 64;

pub(super) fn validate(spec: &Spec, namespaces: &Namespaces, report: &mut Report) {
    let Some(linux) = spec.linux() else { return };
    let at = Pointer::at("/linux/namespaces");
    let list = linux.namespaces().as_deref().unwrap_or_default();
    let mut seen = Vec::new();
    for (i, namespace) in list.iter().enumerate() {
        // "The runtime MUST generate an error on duplicate namespaces" (config-linux.md, Namespaces).
        if !seen.contains(&namespace.typ()) {
            seen.push(namespace.typ());
        } else {
            report.problems.add(
                at.index(i).key("type"),
                format!("{} is listed twice", namespace.typ()),
            );
        }
        if let Some(path) = namespace
            .path()
            .as_ref()
            .filter(|p| !p.as_os_str().is_empty())
        {
            absolute(path, at.index(i).key("path"), &mut report.problems);
        }
    }
    let uids = linux.uid_mappings().as_deref().unwrap_or_default();
    let gids = linux.gid_mappings().as_deref().unwrap_or_default();
    for (name, mappings) in [("uidMappings", uids), ("gidMappings", gids)] {
        mapping(
            &Pointer::at("/linux").key(name),
            mappings,
            &namespaces.user,
            &mut report.problems,
        );
    }
    if namespaces.user.is_new() {
        process_ids(spec, uids, gids, &mut report.problems);
    }
}

fn mapping(at: &Pointer, mappings: &[LinuxIdMapping], user: &Namespace, problems: &mut Problems) {
    match user {
        Namespace::Inherited if !mappings.is_empty() => {
            problems.add(at.clone(), "needs a user namespace, but none is listed");
        }
        Namespace::New if mappings.is_empty() => {
            problems.add(
                at.clone(),
                "missing, but a new user namespace needs mappings",
            );
        }
        // A joined user namespace has its mappings already; engines repeat them in the bundle.
        _ => {}
    }
    if mappings.len() > MAX_MAPPINGS {
        problems.add(at.clone(), "more than 340 mappings");
        return;
    }
    let range = |start: u32, size: u32| u64::from(start)..u64::from(start) + u64::from(size);
    let overlap =
        |a: &std::ops::Range<u64>, b: &std::ops::Range<u64>| a.start < b.end && b.start < a.end;
    for (i, m) in mappings.iter().enumerate() {
        let here = at.index(i);
        if m.size() == 0 {
            problems.add(here.key("size"), "must be at least 1");
            continue;
        }
        let (inner, outer) = (
            range(m.container_id(), m.size()),
            range(m.host_id(), m.size()),
        );
        // The greatest id is no id: the kernel uses it for "none".
        if inner.end > u64::from(u32::MAX) || outer.end > u64::from(u32::MAX) {
            problems.add(here.key("size"), "reaches beyond the greatest id");
        }
        for (j, other) in mappings[..i].iter().enumerate() {
            if overlap(&inner, &range(other.container_id(), other.size()))
                || overlap(&outer, &range(other.host_id(), other.size()))
            {
                problems.add(here.clone(), format!("overlaps with mapping {j}"));
            }
        }
    }
    if user.is_new() && !mappings.is_empty() && !maps(mappings, 0) {
        problems.add(at.clone(), "container id 0 is not mapped");
    }
}

fn maps(mappings: &[LinuxIdMapping], id: u32) -> bool {
    mappings.iter().any(|m| {
        id.checked_sub(m.container_id())
            .is_some_and(|offset| offset < m.size())
    })
}

/// An id without a mapping cannot be taken in the namespace: setuid(2) fails with EINVAL.
fn process_ids(
    spec: &Spec,
    uids: &[LinuxIdMapping],
    gids: &[LinuxIdMapping],
    problems: &mut Problems,
) {
    let Some(process) = spec.process() else {
        return;
    };
    let user = process.user();
    let at = Pointer::at("/process/user");
    let mut check = |at: Pointer, id: u32, mappings: &[LinuxIdMapping]| {
        if !mappings.is_empty() && !maps(mappings, id) {
            problems.add(at, format!("{id} is not mapped in the user namespace"));
        }
    };
    check(at.key("uid"), user.uid(), uids);
    check(at.key("gid"), user.gid(), gids);
    for (i, gid) in user.additional_gids().iter().flatten().enumerate() {
        check(at.key("additionalGids").index(i), *gid, gids);
    }
}

pub(super) fn host_names(spec: &Spec, namespaces: &Namespaces, report: &mut Report) {
    for (name, value) in [
        ("hostname", spec.hostname()),
        ("domainname", spec.domainname()),
    ] {
        let Some(value) = value.as_deref().filter(|v| !v.is_empty()) else {
            continue;
        };
        let at = Pointer::root().key(name);
        if !namespaces.uts.is_private() {
            report.problems.add(
                at.clone(),
                "needs a uts namespace that is not the runtime's, or the host would be renamed",
            );
        }
        if value.len() > MAX_HOST_NAME {
            report.problems.add(at.clone(), "longer than 64 bytes");
        }
        if value.contains(char::is_control) {
            report.problems.add(at, "contains a control character");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{problems, problems_with_own, with};
    use oci_spec::runtime::LinuxNamespaceType as Type;
    use serde_json::{Value, json};

    fn namespaces(list: Value) -> Value {
        with("/linux/namespaces", list)
    }

    #[test]
    fn duplicates_and_relative_paths() {
        let raw = namespaces(json!([
            {"type": "mount"},
            {"type": "ipc"},
            {"type": "network", "path": "netns/x"},
            {"type": "ipc", "path": "/proc/1/ns/ipc"},
        ]));
        assert_eq!(
            problems(&raw),
            [
                "/linux/namespaces/2/path: \"netns/x\" is not an absolute path",
                "/linux/namespaces/3/type: ipc is listed twice",
            ]
        );
    }

    #[test]
    fn mappings_and_user_namespace_go_together() {
        let one = json!([{"containerID": 0, "hostID": 100000, "size": 65536}]);
        let mut raw = with("/linux/uidMappings", one.clone());
        assert_eq!(
            problems(&raw),
            ["/linux/uidMappings: needs a user namespace, but none is listed"]
        );
        raw["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "user"}]);
        assert_eq!(
            problems(&raw),
            ["/linux/gidMappings: missing, but a new user namespace needs mappings"]
        );
        raw["linux"]["gidMappings"] = one;
        assert!(problems(&raw).is_empty());
    }

    #[test]
    fn broken_mappings() {
        let mut raw = namespaces(json!([{"type": "mount"}, {"type": "user"}]));
        raw["linux"]["uidMappings"] = json!([
            {"containerID": 1, "hostID": 1000, "size": 10},
            {"containerID": 10, "hostID": 5000, "size": 1},
            {"containerID": 20, "hostID": 0, "size": 0},
            {"containerID": 30, "hostID": 4294967290u32, "size": 6},
        ]);
        raw["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": 0, "size": 5}]);
        raw["process"]["user"] = json!({"uid": 1, "gid": 5, "additionalGids": [4, 6]});
        assert_eq!(
            problems(&raw),
            [
                "/linux/uidMappings/1: overlaps with mapping 0",
                "/linux/uidMappings/2/size: must be at least 1",
                "/linux/uidMappings/3/size: reaches beyond the greatest id",
                "/linux/uidMappings: container id 0 is not mapped",
                "/process/user/gid: 5 is not mapped in the user namespace",
                "/process/user/additionalGids/1: 6 is not mapped in the user namespace",
            ]
        );
    }

    #[test]
    fn too_many_mappings() {
        let many: Vec<Value> = (0..341)
            .map(|i| json!({"containerID": i, "hostID": i, "size": 1}))
            .collect();
        let mut raw = namespaces(json!([{"type": "mount"}, {"type": "user"}]));
        raw["linux"]["gidMappings"] = json!(many[..340]);
        raw["linux"]["uidMappings"] = json!(many);
        assert_eq!(
            problems(&raw),
            ["/linux/uidMappings: more than 340 mappings"]
        );
    }

    #[test]
    fn host_names_need_a_uts_namespace() {
        let mut raw = with("/hostname", json!("box"));
        raw["domainname"] = json!("");
        assert_eq!(
            problems(&raw),
            [
                "/hostname: needs a uts namespace that is not the runtime's, or the host would be renamed"
            ]
        );
        raw["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "uts", "path": "/x"}]);
        assert!(problems(&raw).is_empty());
        assert_eq!(problems_with_own(&raw, &[Type::Uts]).len(), 1);
        raw["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "uts"}]);
        assert!(problems(&raw).is_empty());
        raw["hostname"] = json!("a".repeat(65));
        raw["domainname"] = json!("a\nb");
        assert_eq!(
            problems(&raw),
            [
                "/hostname: longer than 64 bytes",
                "/domainname: contains a control character",
            ]
        );
    }
}
