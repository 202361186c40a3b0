//! Host name, domain name and sysctls, in the container and not on the host.

use std::fs;

use lxcri_runtime::mounts::{CgroupView, Facts, IdMap, IdMaps};
use lxcri_runtime::sysctl::{KernelSettings, Namespaces};
use oci_spec::runtime::Spec;

use crate::Case;
use crate::container::{Bundle, Container, MAPPED_GID, MAPPED_UID};

pub const CASES: &[Case] = &[
    ("settings::names_and_sysctls", names_and_sysctls),
    ("settings::in_a_user_namespace", in_a_user_namespace),
    ("settings::refused_by_the_kernel", refused_by_the_kernel),
];

const CONFIG: &str = r#"{"ociVersion":"1.1.0","hostname":"inside","domainname":"domain.inside","linux":{
    "namespaces":[{"type":"uts"},{"type":"ipc"},{"type":"network"}],
    "sysctl":{"kernel.msgmax":"4321","net.ipv4.ip_forward":"1","fs.mqueue.msg_max":"17"}}}"#;

fn apply(
    container: &Container,
    config: &str,
    user_ns: Option<IdMaps>,
) -> Result<(), lxcri_runtime::mounts::Error> {
    let spec: Spec = serde_json::from_str(config).unwrap();
    let mut facts = Facts::from_spec(&spec, CgroupView::default());
    facts.user_ns = user_ns;
    let open = |name: &str| {
        fs::File::open(format!("/proc/{}/ns/{name}", container.pid))
            .unwrap()
            .into()
    };
    let namespaces = Namespaces {
        uts: open("uts"),
        ipc: open("ipc"),
        net: open("net"),
    };
    KernelSettings::new(&spec)?.apply(&namespaces, facts.identity()?)
}

fn check(container: &Container) {
    for (path, value) in [
        ("/proc/sys/kernel/hostname", "inside\n"),
        ("/proc/sys/kernel/domainname", "domain.inside\n"),
        ("/proc/sys/kernel/msgmax", "4321\n"),
        ("/proc/sys/net/ipv4/ip_forward", "1\n"),
        ("/proc/sys/fs/mqueue/msg_max", "17\n"),
    ] {
        assert_eq!(container.get("read", path), value, "{path}");
    }
    assert_eq!(container.get("host", ""), "inside");
    assert_ne!(
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap(),
        "inside\n"
    );
    assert_ne!(
        fs::read_to_string("/proc/sys/kernel/msgmax").unwrap(),
        "4321\n"
    );
}

fn names_and_sysctls() {
    let container = Container::start(Bundle::new(), "net");
    apply(&container, CONFIG, None).unwrap();
    check(&container);
}

fn in_a_user_namespace() {
    let container = Container::start(Bundle::new(), "net,user");
    let map = |host| {
        vec![IdMap {
            container: 0,
            host,
            size: 65536,
        }]
    };
    let maps = IdMaps {
        uids: map(MAPPED_UID),
        gids: map(MAPPED_GID),
    };
    apply(&container, CONFIG, Some(maps)).unwrap();
    check(&container);
}

fn refused_by_the_kernel() {
    let container = Container::start(Bundle::new(), "net");
    let config = |sysctl: &str| {
        format!(
            r#"{{"ociVersion":"1.1.0","linux":{{"namespaces":[{{"type":"ipc"}},{{"type":"network"}}],"sysctl":{{{sysctl}}}}}}}"#
        )
    };
    let error = apply(&container, &config(r#""net.ipv4.ip_forward":"x""#), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/linux/sysctl/net.ipv4.ip_forward: write(/proc/sys/net/ipv4/ip_forward, \"x\"): invalid argument (EINVAL)"
    );
    let error = apply(&container, &config(r#""net/no/such":"1""#), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/linux/sysctl/net~1no~1such: openat2(/proc/sys/net/no/such): no such file or directory (ENOENT)"
    );
}
