//! `linux.sysctl`: only what belongs to a namespace of the container, so that the host stays as it is.

use std::collections::HashMap;
use std::path::PathBuf;

use oci_spec::runtime::Spec;

use super::super::namespaces::{Namespace, Namespaces};
use super::super::pointer::Pointer;
use super::Report;

/// The namespace to which a sysctl belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the namespace types")]
pub enum SysctlScope {
    Ipc,
    Network,
    Uts,
}

/// The sysctls of ipc_namespaces(7) besides `fs.mqueue.*`, as paths below /proc/sys.
const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

/// The path of a sysctl below /proc/sys, `None` for a name that is none.
///
/// As in sysctl(8), the first separator tells which one is used: in `net.ipv4.conf.eth0/1.mtu` a slash
/// stands for a dot, in `net/ipv4/conf/eth0.1/mtu` the dot is itself.
pub fn sysctl_path(name: &str) -> Option<PathBuf> {
    let dotted = name.find(['.', '/']).map(|i| name.as_bytes()[i]) == Some(b'.');
    let path: String = if dotted {
        name.chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect()
    } else {
        name.to_owned()
    };
    let parts_fine = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    (parts_fine && path.contains('/')).then(|| PathBuf::from(path))
}

/// The namespace to which the sysctl with this path below /proc/sys belongs.
pub fn sysctl_scope(path: &std::path::Path) -> Option<SysctlScope> {
    let text = path.to_str()?;
    if IPC.contains(&text) || text.starts_with("fs/mqueue/") {
        Some(SysctlScope::Ipc)
    } else if text.starts_with("net/") {
        Some(SysctlScope::Network)
    } else if matches!(text, "kernel/hostname" | "kernel/domainname") {
        Some(SysctlScope::Uts)
    } else {
        None
    }
}

pub(super) fn validate(spec: &Spec, namespaces: &Namespaces, report: &mut Report) {
    let sysctl = spec.linux().as_ref().and_then(|l| l.sysctl().as_ref());
    let mut names: Vec<&String> = sysctl.into_iter().flat_map(|map| map.keys()).collect();
    names.sort();
    let at = |name: &str| Pointer::at("/linux/sysctl").key(name);
    let mut known: HashMap<PathBuf, &str> = HashMap::new();
    for name in names {
        if let Some(why) = refusal(name, spec, namespaces) {
            report.problems.add(at(name), why);
        } else if let Some(other) = sysctl_path(name).and_then(|path| known.insert(path, name)) {
            // Objects have no order, so nothing says which value is to hold.
            let why = format!("is the same as {}", at(other));
            report.problems.add(at(name), why);
        }
    }
}

fn refusal(name: &str, spec: &Spec, namespaces: &Namespaces) -> Option<&'static str> {
    let Some(path) = sysctl_path(name) else {
        return Some("not the name of a sysctl");
    };
    let shared = |namespace: &Namespace| !namespace.is_private();
    match sysctl_scope(&path) {
        None => Some("belongs to no namespace, so it would change the host"),
        Some(SysctlScope::Ipc) if shared(&namespaces.ipc) => {
            Some("needs an ipc namespace that is not the runtime's")
        }
        Some(SysctlScope::Network) if shared(&namespaces.network) => {
            Some("needs a network namespace that is not the runtime's")
        }
        Some(SysctlScope::Uts) if shared(&namespaces.uts) => {
            Some("needs a uts namespace that is not the runtime's")
        }
        Some(SysctlScope::Uts) => {
            let set = |value: &Option<String>| value.as_ref().is_some_and(|v| !v.is_empty());
            if path.ends_with("hostname") && set(spec.hostname()) {
                Some("contradicts /hostname")
            } else if path.ends_with("domainname") && set(spec.domainname()) {
                Some("contradicts /domainname")
            } else {
                None
            }
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{problems, problems_with_own, with};
    use super::*;
    use oci_spec::runtime::LinuxNamespaceType as Type;
    use serde_json::json;
    use std::path::Path;

    #[test]
    fn names_become_paths() {
        for (name, path) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
            ("net/ipv4/conf/eth0.1/mtu", "net/ipv4/conf/eth0.1/mtu"),
            ("net.ipv4.conf.eth0/1.mtu", "net/ipv4/conf/eth0.1/mtu"),
        ] {
            assert_eq!(sysctl_path(name).as_deref(), Some(Path::new(path)));
        }
        for name in [
            "",
            "kernel",
            ".",
            "net.",
            ".net",
            "net..x",
            "net/../kernel/x",
            "/net/x",
            "net/./x",
            "net.//.kernel.x",
        ] {
            assert_eq!(sysctl_path(name), None, "{name}");
        }
    }

    #[test]
    fn all_scopes_need_their_namespace() {
        let sysctl = json!({
            "kernel.shmmax": "1",
            "fs.mqueue.msg_max": "1",
            "net.ipv4.ip_forward": "1",
            "kernel.domainname": "x",
            "kernel.core_pattern": "x",
            "net/../kernel/core_pattern": "x",
            "net~x/y": "1",
        });
        let mut raw = with("/linux/sysctl", sysctl);
        assert_eq!(
            problems(&raw),
            [
                "/linux/sysctl/fs.mqueue.msg_max: needs an ipc namespace that is not the runtime's",
                "/linux/sysctl/kernel.core_pattern: belongs to no namespace, so it would change the host",
                "/linux/sysctl/kernel.domainname: needs a uts namespace that is not the runtime's",
                "/linux/sysctl/kernel.shmmax: needs an ipc namespace that is not the runtime's",
                "/linux/sysctl/net.ipv4.ip_forward: needs a network namespace that is not the runtime's",
                "/linux/sysctl/net~1..~1kernel~1core_pattern: not the name of a sysctl",
                "/linux/sysctl/net~0x~1y: belongs to no namespace, so it would change the host",
            ]
        );
        raw["linux"]["namespaces"] = json!([
            {"type": "mount"}, {"type": "ipc"}, {"type": "uts"},
            {"type": "network", "path": "/run/netns/x"},
        ]);
        assert_eq!(problems(&raw).len(), 3);
        assert_eq!(problems_with_own(&raw, &[Type::Network]).len(), 4);
    }

    #[test]
    fn a_sysctl_has_one_value() {
        let twice = json!({"net/ipv4/ip_forward": "1", "net.ipv4.ip_forward": "0"});
        let mut raw = with("/linux/sysctl", twice);
        raw["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "network"}]);
        assert_eq!(
            problems(&raw),
            [
                "/linux/sysctl/net~1ipv4~1ip_forward: is the same as /linux/sysctl/net.ipv4.ip_forward"
            ]
        );
    }

    #[test]
    fn names_of_the_host_are_set_once() {
        let mut raw = with(
            "/linux/sysctl",
            json!({"kernel.hostname": "a", "kernel.domainname": "b"}),
        );
        raw["linux"]["namespaces"] = json!([{"type": "mount"}, {"type": "uts"}]);
        assert!(problems(&raw).is_empty());
        raw["hostname"] = json!("c");
        raw["domainname"] = json!("d");
        assert_eq!(
            problems(&raw),
            [
                "/linux/sysctl/kernel.domainname: contradicts /domainname",
                "/linux/sysctl/kernel.hostname: contradicts /hostname",
            ]
        );
    }
}
