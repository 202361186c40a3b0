//! The document that `lxcri features` prints (runtime-spec, features.md).
//!
//! It says what this program was built to do, not what this host offers.
#![forbid(unsafe_code)]

use hook_model::Phase;
use serde_json::{Value, json};

use crate::seccomp;
use crate::spec::{OCI_VERSION_MAX, OCI_VERSION_MIN, capabilities};

/// The features document. `mount_options` are the options that the mount engine knows.
pub fn features(mount_options: &[&str]) -> Value {
    let mut mount_options = mount_options.to_vec();
    mount_options.sort_unstable();
    mount_options.dedup();
    let mut archs: Vec<String> = seccomp::architectures().map(|a| a.to_string()).collect();
    archs.sort_unstable();
    let flags = seccomp::FLAGS.map(|flag| flag.to_string());
    json!({
        "ociVersionMin": OCI_VERSION_MIN,
        "ociVersionMax": OCI_VERSION_MAX,
        "hooks": Phase::ALL.map(|phase| phase.oci_name()),
        "mountOptions": mount_options,
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"],
            "capabilities": capabilities::NAMES.as_slice(),
            "cgroup": {"v1": true, "v2": true, "systemd": true, "systemdUser": false, "rdma": true},
            "seccomp": {
                "enabled": true,
                "actions": seccomp::ACTIONS.map(|action| action.to_string()),
                "operators": seccomp::OPERATORS.map(|operator| operator.to_string()),
                "archs": archs,
                "knownFlags": flags,
                "supportedFlags": flags,
            },
            "apparmor": {"enabled": true},
            // A process label is applied, but not the label of mounts that goes with it.
            "selinux": {"enabled": false},
            "intelRdt": {"enabled": false},
            "mountExtensions": {"idmap": {"enabled": false}},
            "netDevices": {"enabled": false},
        },
        "annotations": annotations(),
        // No annotation changes what this runtime does.
        "potentiallyUnsafeConfigAnnotations": [],
    })
}

fn annotations() -> Value {
    let mut annotations = json!({
        "org.linuxcontainers.lxcri.version": env!("CARGO_PKG_VERSION"),
    });
    if let Some(version) = seccomp::library_version() {
        annotations["io.github.seccomp.libseccomp.version"] = version.into();
    }
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Context, HostFacts, check, parse};
    use oci_spec::runtime::Features;
    use std::path::Path;

    fn strings(value: &Value) -> Vec<&str> {
        let array = value.as_array().unwrap();
        array.iter().map(|v| v.as_str().unwrap()).collect()
    }

    #[test]
    fn it_has_the_specs_types() {
        let document = features(&["ro", "bind", "ro"]);
        let typed: Features = serde_json::from_value(document).unwrap();
        assert_eq!(typed.oci_version_max(), "1.3.0");
        assert_eq!(
            typed.mount_options().as_deref().unwrap(),
            ["bind".to_owned(), "ro".to_owned()]
        );
        assert_eq!(typed.hooks().as_ref().unwrap().len(), 6);
        let linux = typed.linux().as_ref().unwrap();
        assert_eq!(linux.capabilities().as_ref().unwrap().len(), 41);
    }

    /// "The runtime MUST recognize the elements in this array" (features-linux.md).
    #[test]
    fn what_it_promises_is_accepted() {
        let document = features(&[]);
        let linux = &document["linux"];
        let types = strings(&linux["namespaces"]);
        let namespaces: Vec<Value> = types.iter().map(|t| json!({"type": t})).collect();
        let mapping = json!([{"containerID": 0, "hostID": 0, "size": 1}]);
        let seccomp = &linux["seccomp"];
        for version in [&document["ociVersionMin"], &document["ociVersionMax"]] {
            for action in strings(&seccomp["actions"]) {
                let arguments: Vec<Value> = strings(&seccomp["operators"])
                    .iter()
                    .map(|op| json!({"index": 0, "value": 1, "op": op}))
                    .collect();
                let raw = json!({
                    "ociVersion": version,
                    "root": {"path": "rootfs"},
                    "process": {
                        "cwd": "/", "args": ["sh"],
                        "capabilities": {"bounding": linux["capabilities"]},
                    },
                    "linux": {
                        "namespaces": namespaces, "uidMappings": mapping, "gidMappings": mapping,
                        "seccomp": {
                            "defaultAction": action,
                            "architectures": seccomp["archs"],
                            "flags": seccomp["supportedFlags"],
                            "syscalls": [{"names": ["read"], "action": action, "args": arguments}],
                        },
                    },
                });
                let file = Path::new("config.json");
                let loaded = parse(raw.to_string().as_bytes(), file).unwrap();
                let context = Context {
                    host: HostFacts::plain(),
                    systemd_cgroup: false,
                    own_namespaces: Vec::new(),
                };
                let report = check(&loaded, &context);
                assert!(report.problems.is_empty(), "{}", report.problems);
                assert_eq!(report.warnings, []);
            }
        }
    }
}
