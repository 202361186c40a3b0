//! Which properties of a bundle are refused because of their value or of the host.
//!
//! Works on the raw JSON, so that a refused property is named as such even when its content would
//! not fit the types this runtime knows.

use serde_json::Value;

use super::host::HostFacts;
use super::pointer::Pointer;
use super::problem::Problem;

/// What is refused because of its value.
pub(super) fn values(raw: &Value) -> Vec<Problem> {
    let mut refused = Vec::new();
    seccomp(raw, &mut refused);
    namespaces(raw, &mut refused);
    refused
}

const NOTIFY: &str = "SCMP_ACT_NOTIFY";

/// The properties that are about the agent's socket, as far as they are set.
fn listener(seccomp: &Value) -> impl Iterator<Item = &'static str> {
    let set = |name: &&str| {
        let text = seccomp.get(*name).and_then(Value::as_str);
        text.is_some_and(|text| !text.is_empty())
    };
    ["listenerPath", "listenerMetadata"].into_iter().filter(set)
}

/// Where a filter notifies an agent.
fn notifications(seccomp: &Value) -> Vec<Pointer> {
    let at = Pointer::at("/linux/seccomp");
    let notifies = |value: &Value, name| value.get(name).and_then(Value::as_str) == Some(NOTIFY);
    let mut found = Vec::new();
    if notifies(seccomp, "defaultAction") {
        found.push(at.key("defaultAction"));
    }
    for (i, syscall) in elements(seccomp, "syscalls") {
        if notifies(syscall, "action") {
            found.push(at.key("syscalls").index(i).key("action"));
        }
    }
    found
}

/// Seccomp's user notification needs an agent's socket, which this runtime does not serve.
fn seccomp(raw: &Value, refused: &mut Vec<Problem>) {
    // The kernel takes this flag only together with a notification descriptor.
    const NOTIFY_FLAG: &str = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";
    let Some(seccomp) = raw.pointer("/linux/seccomp") else {
        return;
    };
    let at = Pointer::at("/linux/seccomp");
    let notifications = notifications(seccomp);
    if !notifications.is_empty() {
        refused.extend(listener(seccomp).map(|name| Problem::unsupported(at.key(name))));
    } else if listener(seccomp).eq(["listenerMetadata"]) {
        // "This field MUST NOT be set if listenerPath is not set" (config-linux.md, Seccomp).
        let at = at.key("listenerMetadata");
        refused.push(Problem::new(at, "is set without listenerPath"));
    }
    for (i, flag) in elements(seccomp, "flags") {
        if flag.as_str() == Some(NOTIFY_FLAG) {
            refused.push(Problem::unsupported_because(
                at.key("flags").index(i),
                NOTIFY_FLAG,
            ));
        }
    }
    let notifications = notifications.into_iter();
    refused.extend(notifications.map(|at| Problem::unsupported_because(at, NOTIFY)));
}

/// "If the SCMP_ACT_NOTIFY action is not used this value is ignored" (config-linux.md, Seccomp).
pub(super) fn ignored(raw: &Value) -> Vec<Problem> {
    let seccomp = raw.pointer("/linux/seccomp");
    let seccomp = seccomp.filter(|seccomp| notifications(seccomp).is_empty());
    let names = seccomp.into_iter().flat_map(listener);
    names
        .map(|name| {
            let at = Pointer::at("/linux/seccomp").key(name);
            Problem::new(at, format!("ignored without {NOTIFY}"))
        })
        .collect()
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
    use super::super::validate::testing::{
        base, problems, put, report, report_with, warnings, with,
    };
    use super::*;
    use serde_json::json;

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
                "/linux/seccomp/flags/1: not supported: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
                "/linux/seccomp/defaultAction: not supported: SCMP_ACT_NOTIFY",
                "/linux/seccomp/syscalls/1/action: not supported: SCMP_ACT_NOTIFY",
            ]
        );
    }

    #[test]
    fn an_agent_that_is_never_notified_is_ignored() {
        let mut raw = with(
            "/linux/seccomp",
            json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "listenerPath": "/run/agent.sock", "listenerMetadata": "x",
            }),
        );
        assert_eq!(
            warnings(&raw),
            [
                "/linux/seccomp/listenerPath: ignored without SCMP_ACT_NOTIFY",
                "/linux/seccomp/listenerMetadata: ignored without SCMP_ACT_NOTIFY",
            ]
        );
        put(
            &mut raw,
            "/linux/seccomp/syscalls",
            json!([{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]),
        );
        assert_eq!(
            problems(&raw),
            [
                "/linux/seccomp/listenerPath: not supported",
                "/linux/seccomp/listenerMetadata: not supported",
                "/linux/seccomp/syscalls/0/action: not supported: SCMP_ACT_NOTIFY",
            ]
        );
        assert!(report(&raw).warnings.is_empty());
        let alone = json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"});
        assert_eq!(
            problems(&with("/linux/seccomp", alone)),
            ["/linux/seccomp/listenerMetadata: is set without listenerPath"]
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
