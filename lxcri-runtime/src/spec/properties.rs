//! The table of every property that runtime-spec 1.0 to 1.3 knows, each supported or refused.
//!
//! To support a property, change its line from `refused` to what it is. Properties that depend on
//! their value or on the host (namespace types, AppArmor, …) stand here as supported and are
//! looked at in `refuse.rs`; which `linux.resources` the host's controllers offer is up to `cgroup`.

use serde_json::{Map, Value};

/// One property of an object.
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) node: Node,
    pub(super) presence: Presence,
}

/// When a property must be there, for those that the types would read as 0 if it is missing. The others are up to the
/// types and to `validate`.
#[derive(Clone, Copy)]
pub(super) enum Presence {
    /// Never, as far as this table goes.
    Optional,
    /// Whenever its object is there.
    Required,
    /// Unless the object's member of that name has this value.
    RequiredUnless(&'static str, &'static str),
}

impl Presence {
    /// Whether an object with these members must have the property.
    pub(super) fn is_due(self, members: &Map<String, Value>) -> bool {
        match self {
            Presence::Optional => false,
            Presence::Required => true,
            Presence::RequiredUnless(name, value) => {
                members.get(name).and_then(Value::as_str) != Some(value)
            }
        }
    }
}

/// What a property holds and whether this runtime can do it.
pub(super) enum Node {
    /// Supported, and free of properties of its own.
    Leaf,
    /// Supported, an object with these properties.
    Object(&'static [Property]),
    /// Supported, an array of these.
    Array(&'static Node),
    /// Supported, an object whose keys are free and whose values are these.
    Map(&'static Node),
    /// Not supported when it asks for something.
    Refused(Asks),
}

/// When a refused property asks for something. `null` never does.
#[derive(Clone, Copy)]
pub(super) enum Asks {
    /// When any value inside it is not neutral: `false`, `0` and objects of these ask for nothing.
    Something,
    /// When it has any entry, because the key alone asks.
    AnyEntry,
    /// When it is there, because an empty object asks for the defaults.
    Presence,
}

impl Asks {
    /// Whether `value` asks for something.
    pub(super) fn for_something(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) => false,
            (Asks::Presence, _) => true,
            (_, Value::Bool(b)) => *b,
            (_, Value::Number(n)) => n.as_f64() != Some(0.0),
            (_, Value::String(s)) => !s.is_empty(),
            (_, Value::Array(a)) => !a.is_empty(),
            (Asks::AnyEntry, Value::Object(o)) => !o.is_empty(),
            (Asks::Something, Value::Object(o)) => o.values().any(|v| self.for_something(v)),
        }
    }
}

const fn property(name: &'static str, node: Node) -> Property {
    Property {
        name,
        node,
        presence: Presence::Optional,
    }
}

const fn leaf(name: &'static str) -> Property {
    property(name, Node::Leaf)
}

const fn required(name: &'static str) -> Property {
    Property {
        presence: Presence::Required,
        ..leaf(name)
    }
}

/// The number of a device node; a FIFO has none.
const fn device_number(name: &'static str) -> Property {
    Property {
        presence: Presence::RequiredUnless("type", "p"),
        ..leaf(name)
    }
}

const fn refused(name: &'static str) -> Property {
    property(name, Node::Refused(Asks::Something))
}

const fn refused_entries(name: &'static str) -> Property {
    property(name, Node::Refused(Asks::AnyEntry))
}

const fn refused_presence(name: &'static str) -> Property {
    property(name, Node::Refused(Asks::Presence))
}

const fn object(name: &'static str, properties: &'static [Property]) -> Property {
    property(name, Node::Object(properties))
}

const fn array(name: &'static str, element: &'static Node) -> Property {
    property(name, Node::Array(element))
}

const fn map(name: &'static str) -> Property {
    property(name, Node::Map(&Node::Leaf))
}

/// config.json as a whole.
pub(super) static CONFIG: Node = Node::Object(&[
    leaf("ociVersion"),
    object("process", PROCESS),
    object("root", &[leaf("path"), leaf("readonly")]),
    leaf("hostname"),
    leaf("domainname"),
    array("mounts", &MOUNT),
    object("hooks", HOOKS),
    map("annotations"),
    object("linux", LINUX),
    refused("solaris"),
    refused("windows"),
    refused("vm"),
    refused("zos"),
    refused("freebsd"),
]);

static PROCESS: &[Property] = &[
    leaf("terminal"),
    object("consoleSize", &[leaf("height"), leaf("width")]),
    object("user", USER),
    leaf("args"),
    refused("commandLine"),
    leaf("env"),
    leaf("cwd"),
    object("capabilities", CAPABILITIES),
    array("rlimits", &RLIMIT),
    leaf("noNewPrivileges"),
    leaf("apparmorProfile"),
    leaf("oomScoreAdj"),
    leaf("selinuxLabel"),
    refused("scheduler"),
    refused("ioPriority"),
    refused("execCPUAffinity"),
];

static USER: &[Property] = &[
    required("uid"),
    required("gid"),
    leaf("umask"),
    leaf("additionalGids"),
    refused("username"),
];

static CAPABILITIES: &[Property] = &[
    leaf("bounding"),
    leaf("effective"),
    leaf("inheritable"),
    leaf("permitted"),
    leaf("ambient"),
];

static RLIMIT: Node = Node::Object(&[leaf("type"), required("hard"), required("soft")]);

static MOUNT: Node = Node::Object(&[
    leaf("destination"),
    leaf("type"),
    leaf("source"),
    leaf("options"),
    refused("uidMappings"),
    refused("gidMappings"),
]);

static HOOKS: &[Property] = &[
    array("prestart", &HOOK),
    array("createRuntime", &HOOK),
    array("createContainer", &HOOK),
    array("startContainer", &HOOK),
    array("poststart", &HOOK),
    array("poststop", &HOOK),
];

static HOOK: Node = Node::Object(&[leaf("path"), leaf("args"), leaf("env"), leaf("timeout")]);

static LINUX: &[Property] = &[
    array("uidMappings", &ID_MAPPING),
    array("gidMappings", &ID_MAPPING),
    map("sysctl"),
    object("resources", RESOURCES),
    leaf("cgroupsPath"),
    array("namespaces", &NAMESPACE),
    array("devices", &DEVICE),
    refused_entries("netDevices"),
    object("seccomp", SECCOMP),
    leaf("rootfsPropagation"),
    leaf("maskedPaths"),
    leaf("readonlyPaths"),
    refused("mountLabel"),
    refused_presence("intelRdt"),
    refused("memoryPolicy"),
    object("personality", &[leaf("domain"), refused("flags")]),
    refused("timeOffsets"),
];

static ID_MAPPING: Node =
    Node::Object(&[required("containerID"), required("hostID"), leaf("size")]);

static NAMESPACE: Node = Node::Object(&[leaf("type"), leaf("path")]);

static DEVICE: Node = Node::Object(&[
    leaf("path"),
    leaf("type"),
    device_number("major"),
    device_number("minor"),
    leaf("fileMode"),
    leaf("uid"),
    leaf("gid"),
]);

static SECCOMP: &[Property] = &[
    leaf("defaultAction"),
    leaf("defaultErrnoRet"),
    leaf("architectures"),
    leaf("flags"),
    leaf("listenerPath"),
    leaf("listenerMetadata"),
    array("syscalls", &SYSCALL),
];

static SYSCALL: Node = Node::Object(&[
    leaf("names"),
    leaf("action"),
    leaf("errnoRet"),
    array("args", &SYSCALL_ARG),
]);

static SYSCALL_ARG: Node =
    Node::Object(&[leaf("index"), leaf("value"), leaf("valueTwo"), leaf("op")]);

static RESOURCES: &[Property] = &[
    array("devices", &DEVICE_RULE),
    object("memory", MEMORY),
    object("cpu", CPU),
    object("pids", &[leaf("limit")]),
    object("blockIO", BLOCK_IO),
    array("hugepageLimits", &HUGEPAGE_LIMIT),
    object("network", NETWORK),
    property("rdma", Node::Map(&RDMA)),
    map("unified"),
];

static NETWORK: &[Property] = &[leaf("classID"), array("priorities", &PRIORITY)];

static PRIORITY: Node = Node::Object(&[required("name"), required("priority")]);

static RDMA: Node = Node::Object(&[leaf("hcaHandles"), leaf("hcaObjects")]);

static DEVICE_RULE: Node = Node::Object(&[
    required("allow"),
    leaf("type"),
    leaf("major"),
    leaf("minor"),
    leaf("access"),
]);

static MEMORY: &[Property] = &[
    leaf("limit"),
    leaf("reservation"),
    leaf("swap"),
    leaf("kernel"),
    leaf("kernelTCP"),
    leaf("swappiness"),
    leaf("disableOOMKiller"),
    leaf("useHierarchy"),
    leaf("checkBeforeUpdate"),
];

static CPU: &[Property] = &[
    leaf("shares"),
    leaf("quota"),
    leaf("burst"),
    leaf("period"),
    leaf("realtimeRuntime"),
    leaf("realtimePeriod"),
    leaf("cpus"),
    leaf("mems"),
    leaf("idle"),
];

static BLOCK_IO: &[Property] = &[
    leaf("weight"),
    leaf("leafWeight"),
    array("weightDevice", &WEIGHT_DEVICE),
    array("throttleReadBpsDevice", &THROTTLE_DEVICE),
    array("throttleWriteBpsDevice", &THROTTLE_DEVICE),
    array("throttleReadIOPSDevice", &THROTTLE_DEVICE),
    array("throttleWriteIOPSDevice", &THROTTLE_DEVICE),
];

static WEIGHT_DEVICE: Node = Node::Object(&[
    required("major"),
    required("minor"),
    leaf("weight"),
    leaf("leafWeight"),
]);

static THROTTLE_DEVICE: Node =
    Node::Object(&[required("major"), required("minor"), required("rate")]);

static HUGEPAGE_LIMIT: Node = Node::Object(&[leaf("pageSize"), required("limit")]);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn neutral_values_ask_for_nothing() {
        for value in [
            json!(null),
            json!(""),
            json!([]),
            json!({}),
            json!(false),
            json!(0),
            json!({"a": {"b": false, "c": 0, "d": null}}),
        ] {
            assert!(!Asks::Something.for_something(&value), "{value}");
        }
        for value in [
            json!("x"),
            json!([null]),
            json!(true),
            json!(-1),
            json!({"a": {"b": 1}}),
        ] {
            assert!(Asks::Something.for_something(&value), "{value}");
            assert!(Asks::AnyEntry.for_something(&value), "{value}");
        }
        assert!(Asks::AnyEntry.for_something(&json!({"eth0": {}})));
        assert!(!Asks::AnyEntry.for_something(&json!({})));
        assert!(Asks::Presence.for_something(&json!({})));
        assert!(!Asks::Presence.for_something(&Value::Null));
    }

    #[test]
    fn no_name_stands_twice_in_one_object() {
        fn walk(node: &Node) -> usize {
            match node {
                Node::Leaf | Node::Refused(_) => 1,
                Node::Array(inner) | Node::Map(inner) => walk(inner),
                Node::Object(properties) => {
                    for (i, p) in properties.iter().enumerate() {
                        assert!(
                            properties[..i].iter().all(|q| q.name != p.name),
                            "{} twice",
                            p.name
                        );
                    }
                    properties.iter().map(|p| walk(&p.node)).sum()
                }
            }
        }
        assert!(walk(&CONFIG) > 120);
    }
}
