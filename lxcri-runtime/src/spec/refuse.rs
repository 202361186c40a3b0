//! Which properties of a bundle are refused or unknown.
//!
//! Works on the raw JSON, so that a refused property is named as such even when its content would
//! not fit the types this runtime knows.

use serde_json::Value;

use super::host::HostFacts;
use super::pointer::Pointer;
use super::problem::Problem;
use super::properties::{CONFIG, Node};

/// What a walk over the raw JSON with the table of properties found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Properties that ask for what this runtime does not do.
    pub(super) refused: Vec<Problem>,
    /// These, and those among them that ask for nothing: each a member of an object.
    pub(super) set_aside: Vec<Pointer>,
    /// Properties no version of the spec knows. "Runtimes MUST NOT generate an error if they
    /// encounter an unknown property" (config.md, Extensibility).
    pub(super) unknown: Vec<Problem>,
}

/// Walks a config.json with the table: what is refused whatever its value, and what is unknown.
pub(super) fn scan(raw: &Value) -> Scan {
    let mut scan = Scan::default();
    walk(raw, &CONFIG, &Pointer::root(), &mut scan);
    scan
}

/// What is refused because of its value.
pub(super) fn values(raw: &Value) -> Vec<Problem> {
    let mut refused = Vec::new();
    seccomp(raw, &mut refused);
    namespaces(raw, &mut refused);
    refused
}

fn walk(value: &Value, node: &Node, at: &Pointer, scan: &mut Scan) {
    match (node, value) {
        (Node::Refused(asks), _) => {
            scan.set_aside.push(at.clone());
            if asks.for_something(value) {
                scan.refused.push(Problem::unsupported(at.clone()));
            }
        }
        (Node::Object(properties), Value::Object(members)) => {
            for (name, member) in members {
                match properties.iter().find(|p| p.name == name) {
                    Some(property) => walk(member, &property.node, &at.key(name), scan),
                    None => scan
                        .unknown
                        .push(Problem::new(at.key(name), "unknown property, ignored")),
                }
            }
        }
        (Node::Array(element), Value::Array(elements)) => {
            for (i, value) in elements.iter().enumerate() {
                walk(value, element, &at.index(i), scan);
            }
        }
        (Node::Map(entry), Value::Object(members)) if !matches!(entry, Node::Leaf) => {
            for (name, value) in members {
                walk(value, entry, &at.key(name), scan);
            }
        }
        // A value of another type is for the typed reading to complain about.
        _ => {}
    }
}

/// Seccomp's user notification needs an agent's socket, which this runtime does not serve.
fn seccomp(raw: &Value, refused: &mut Vec<Problem>) {
    const NOTIFY: &str = "SCMP_ACT_NOTIFY";
    // The kernel takes this flag only together with a notification descriptor.
    const NOTIFY_FLAG: &str = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";
    let Some(seccomp) = raw.pointer("/linux/seccomp") else {
        return;
    };
    let at = Pointer::at("/linux/seccomp");
    if seccomp.get("defaultAction").and_then(Value::as_str) == Some(NOTIFY) {
        refused.push(Problem::unsupported_because(
            at.key("defaultAction"),
            NOTIFY,
        ));
    }
    for (i, flag) in elements(seccomp, "flags") {
        if flag.as_str() == Some(NOTIFY_FLAG) {
            refused.push(Problem::unsupported_because(
                at.key("flags").index(i),
                NOTIFY_FLAG,
            ));
        }
    }
    for (i, syscall) in elements(seccomp, "syscalls") {
        if syscall.get("action").and_then(Value::as_str) == Some(NOTIFY) {
            refused.push(Problem::unsupported_because(
                at.key("syscalls").index(i).key("action"),
                NOTIFY,
            ));
        }
    }
}

/// The mount namespace must be new, because the runtime builds the container's mounts in it;
/// time namespaces cannot be set up through LXC's configuration.
fn namespaces(raw: &Value, refused: &mut Vec<Problem>) {
    let at = Pointer::at("/linux/namespaces");
    let list = raw
        .pointer("/linux")
        .map(|linux| elements(linux, "namespaces"));
    let mut mount_seen = false;
    for (i, namespace) in list.into_iter().flatten() {
        let path = namespace.get("path").and_then(Value::as_str).unwrap_or("");
        match namespace.get("type").and_then(Value::as_str) {
            Some("mount") => {
                mount_seen = true;
                if !path.is_empty() {
                    refused.push(Problem::unsupported_because(
                        at.index(i).key("path"),
                        "the mount namespace must be a new one",
                    ));
                }
            }
            Some("time") => {
                refused.push(Problem::unsupported_because(at.index(i), "time namespace"))
            }
            _ => {}
        }
    }
    if !mount_seen {
        refused.push(Problem::unsupported_because(
            at,
            "a container without a new mount namespace",
        ));
    }
}

fn elements<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    let array = object.get(name).and_then(Value::as_array);
    array
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .enumerate()
}

/// What is refused because of the host.
pub(super) fn on_host(raw: &Value, host: &HostFacts) -> Vec<Problem> {
    const NO_APPARMOR: &str = "AppArmor is not enabled on this host";
    const NO_SELINUX: &str = "SELinux is not enabled on this host";
    // A process on a host without AppArmor is unconfined already.
    const UNCONFINED: &str = "unconfined";
    let wanted = [
        ("/process/apparmorProfile", host.apparmor, NO_APPARMOR),
        ("/process/selinuxLabel", host.selinux, NO_SELINUX),
    ];
    let mut refused = Vec::new();
    for (pointer, enabled, reason) in wanted {
        let value = raw.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let neutral = value.is_empty() || (reason == NO_APPARMOR && value == UNCONFINED);
        if !enabled && !neutral {
            refused.push(Problem::unsupported_because(Pointer::at(pointer), reason));
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::super::Context;
    use super::super::properties::Property;
    use super::super::validate::testing::{base, problems, put, report, report_with, with};
    use super::*;
    use serde_json::json;

    /// For every refused property of the table: a value that asks for something.
    fn samples() -> Vec<(&'static str, Value)> {
        let mapping = json!([{"containerID": 0, "hostID": 1, "size": 1}]);
        vec![
            ("/solaris", json!({"milestone": "svc:/milestone/x"})),
            ("/windows", json!({"layerFolders": ["C:\\x"]})),
            ("/vm", json!({"kernel": {"path": "/vmlinuz"}})),
            ("/zos", json!({"namespaces": [{"type": "pid"}]})),
            ("/freebsd", json!({"jail": {"parent": "x"}})),
            ("/process/commandLine", json!("cmd /c dir")),
            (
                "/process/scheduler",
                json!({"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_RECLAIM"]}),
            ),
            (
                "/process/ioPriority",
                json!({"class": "IOPRIO_CLASS_IDLE", "priority": 0}),
            ),
            ("/process/execCPUAffinity", json!({"initial": "not a list"})),
            ("/process/user/username", json!("ContainerUser")),
            ("/mounts/0/uidMappings", mapping.clone()),
            ("/mounts/0/gidMappings", mapping),
            ("/linux/netDevices", json!({"eth0": {}})),
            ("/linux/intelRdt", json!({"closID": "x"})),
            ("/linux/memoryPolicy", json!({"mode": "MPOL_DEFAULT"})),
            ("/linux/personality/flags", json!(["ADDR_NO_RANDOMIZE"])),
            ("/linux/timeOffsets", json!({"monotonic": {"secs": 1}})),
            ("/linux/seccomp/listenerPath", json!("/run/agent.sock")),
            ("/linux/seccomp/listenerMetadata", json!("x")),
            ("/linux/mountLabel", json!("system_u:object_r:x_t:s0")),
        ]
    }

    /// A bundle in which each sample fits what is around it.
    fn room_for_samples() -> Value {
        let mut raw = with("/mounts", json!([{"destination": "/a", "type": "tmpfs"}]));
        put(
            &mut raw,
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW"}),
        );
        put(&mut raw, "/linux/personality", json!({"domain": "LINUX"}));
        assert_eq!(problems(&raw), [""; 0]);
        raw
    }

    fn put_at(raw: &mut Value, pointer: &str, value: Value) {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        if raw.pointer(parent).is_none() {
            put(raw, parent, json!({}));
        }
        raw.pointer_mut(parent).unwrap()[name] = value;
    }

    #[test]
    fn each_refused_property_is_named_alone_and_all_at_once() {
        let mut all = room_for_samples();
        for (pointer, value) in samples() {
            let mut raw = room_for_samples();
            put_at(&mut raw, pointer, value.clone());
            assert_eq!(problems(&raw), [format!("{pointer}: not supported")]);
            put_at(&mut all, pointer, value);
        }
        assert_eq!(problems(&all).len(), samples().len());
    }

    #[test]
    fn refused_properties_without_a_wish_are_fine() {
        for (pointer, value) in samples() {
            let empty = match value {
                Value::Object(_) => json!({}),
                Value::Array(_) => json!([]),
                _ => json!(""),
            };
            for neutral in [empty, Value::Null] {
                let mut raw = room_for_samples();
                put_at(&mut raw, pointer, neutral);
                assert_eq!(problems(&raw), [""; 0], "{pointer}");
            }
        }
    }

    #[test]
    fn samples_cover_every_refusal_of_the_table() {
        fn walk(node: &Node, at: String, found: &mut Vec<String>) {
            match node {
                Node::Leaf => {}
                Node::Refused(_) => found.push(at),
                Node::Array(inner) => walk(inner, at + "/0", found),
                Node::Map(inner) => walk(inner, at + "/*", found),
                Node::Object(properties) => {
                    for Property { name, node } in properties.iter() {
                        walk(node, format!("{at}/{name}"), found);
                    }
                }
            }
        }
        let mut refused = Vec::new();
        walk(&CONFIG, String::new(), &mut refused);
        let mut sampled: Vec<String> = samples().iter().map(|(p, _)| p.to_string()).collect();
        refused.sort();
        sampled.sort();
        assert_eq!(refused, sampled);
    }

    #[test]
    fn unknown_properties_are_warnings_with_escaped_pointers() {
        let mut raw = with(
            "/mounts",
            json!([{"destination": "/a", "type": "tmpfs", "x/y": 1}]),
        );
        put(&mut raw, "/futureThing", json!({"process": {}}));
        put(&mut raw, "/linux/a~b", json!(null));
        put(&mut raw, "/annotations", json!({"any.key": "x"}));
        let found = report(&raw);
        assert!(found.problems.is_empty(), "{}", found.problems);
        let texts: Vec<String> = found.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "/futureThing: unknown property, ignored",
                "/linux/a~0b: unknown property, ignored",
                "/mounts/0/x~1y: unknown property, ignored",
            ]
        );
    }

    #[test]
    fn mount_namespace_must_be_new() {
        let mut raw = base();
        raw.as_object_mut().unwrap().remove("linux");
        for raw in [raw, with("/linux/namespaces", json!([{"type": "pid"}]))] {
            assert_eq!(
                problems(&raw),
                ["/linux/namespaces: not supported: a container without a new mount namespace"]
            );
        }
        let joined = json!([{"type": "pid"}, {"type": "mount", "path": "/proc/1/ns/mnt"}]);
        assert_eq!(
            problems(&with("/linux/namespaces", joined)),
            ["/linux/namespaces/1/path: not supported: the mount namespace must be a new one"]
        );
    }

    #[test]
    fn time_namespaces_are_refused() {
        let raw = with(
            "/linux/namespaces",
            json!([{"type": "mount"}, {"type": "time"}]),
        );
        assert_eq!(
            problems(&raw),
            ["/linux/namespaces/1: not supported: time namespace"]
        );
    }

    #[test]
    fn every_other_namespace_may_be_new_joined_or_absent() {
        for kind in ["pid", "network", "ipc", "uts", "cgroup"] {
            for namespace in [
                json!({"type": kind}),
                json!({"type": kind, "path": "/proc/1/ns/x"}),
            ] {
                let raw = with("/linux/namespaces", json!([{"type": "mount"}, namespace]));
                assert_eq!(problems(&raw), [""; 0], "{kind}");
            }
        }
    }

    #[test]
    fn seccomp_notification_is_refused() {
        let raw = with(
            "/linux/seccomp",
            json!({
                "defaultAction": "SCMP_ACT_NOTIFY",
                "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
                "syscalls": [
                    {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
                    {"names": ["mount"], "action": "SCMP_ACT_NOTIFY"},
                ],
            }),
        );
        assert_eq!(
            problems(&raw),
            [
                "/linux/seccomp/defaultAction: not supported: SCMP_ACT_NOTIFY",
                "/linux/seccomp/flags/1: not supported: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
                "/linux/seccomp/syscalls/1/action: not supported: SCMP_ACT_NOTIFY",
            ]
        );
    }

    #[test]
    fn labels_and_profiles_need_their_security_module() {
        let mut raw = with("/process/apparmorProfile", json!("docker-default"));
        put(
            &mut raw,
            "/process/selinuxLabel",
            json!("system_u:system_r:x_t:s0"),
        );
        assert_eq!(
            problems(&raw),
            [
                "/process/apparmorProfile: not supported: AppArmor is not enabled on this host",
                "/process/selinuxLabel: not supported: SELinux is not enabled on this host",
            ]
        );
        let host = HostFacts {
            apparmor: true,
            selinux: true,
            ..HostFacts::plain()
        };
        let context = Context {
            host,
            systemd_cgroup: false,
            own_namespaces: Vec::new(),
        };
        assert!(report_with(&raw, &context).problems.is_empty());

        let mut raw = with("/process/apparmorProfile", json!("unconfined"));
        put(&mut raw, "/process/selinuxLabel", json!(""));
        assert_eq!(problems(&raw), [""; 0]);
    }
}
