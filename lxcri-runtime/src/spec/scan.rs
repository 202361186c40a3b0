//! A walk over the raw JSON with the table of properties: what is refused, unknown, missing, or no object.
//!
//! It works on the raw JSON, so that a refused property is named as such even when its content would not fit the types
//! this runtime knows, and because the types are too lenient: what is missing reads like 0 in many of them, and serde
//! reads the members of an object from an array too, in their order.

use serde_json::Value;

use super::pointer::Pointer;
use super::problem::{Problem, Problems};
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
    /// Properties that the spec requires where their object is.
    pub(super) missing: Vec<Problem>,
    /// Arrays in the place of an object, with which nothing else can be made of the content.
    pub(super) mistyped: Problems,
}

/// Walks a config.json with the table.
pub(super) fn scan(raw: &Value) -> Scan {
    let mut scan = Scan::default();
    walk(raw, &CONFIG, &Pointer::root(), &mut scan);
    scan
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
            for property in properties.iter() {
                // Engines are written in Go, where a `null` reads like an absent property.
                let is_missing = || members.get(property.name).is_none_or(Value::is_null);
                if property.presence.is_due(members) && is_missing() {
                    scan.missing
                        .push(Problem::new(at.key(property.name), "missing"));
                }
            }
        }
        (Node::Object(_), Value::Array(_)) => scan
            .mistyped
            .add(at.clone(), "invalid type: sequence, expected an object"),
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

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::properties::Property;
    use super::super::validate::testing::{problems, put, warnings, with};
    use super::*;
    use serde_json::json;
    use std::path::Path;

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
                // Even an empty one asks for a group of its own in resctrl.
                if pointer == "/linux/intelRdt" && neutral.is_object() {
                    continue;
                }
                let mut raw = room_for_samples();
                put_at(&mut raw, pointer, neutral);
                assert_eq!(problems(&raw), [""; 0], "{pointer}");
            }
        }
    }

    #[test]
    fn an_empty_intel_rdt_asks_for_its_defaults() {
        let refused = "/linux/intelRdt: not supported";
        assert_eq!(problems(&with("/linux/intelRdt", json!({}))), [refused]);
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
                    for Property { name, node, .. } in properties.iter() {
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
        assert_eq!(
            warnings(&raw),
            [
                "/futureThing: unknown property, ignored",
                "/linux/a~0b: unknown property, ignored",
                "/mounts/0/x~1y: unknown property, ignored",
            ]
        );
    }

    /// The pointers of all objects of the table, in arrays and maps with one entry.
    fn places(node: &Node, at: &str, found: &mut Vec<String>) {
        match node {
            Node::Leaf | Node::Refused(_) => {}
            Node::Array(inner) => places(inner, &format!("{at}/0"), found),
            Node::Map(inner) => places(inner, &format!("{at}/x"), found),
            Node::Object(properties) => {
                found.push(at.to_owned());
                for Property { name, node, .. } in properties.iter() {
                    places(node, &format!("{at}/{name}"), found);
                }
            }
        }
    }

    /// The objects and arrays around the value at `pointer`.
    fn around(pointer: &str, value: Value) -> Value {
        pointer.rsplit('/').fold(value, |value, key| match key {
            "" => value,
            "0" => json!([value]),
            key => json!({ key: value }),
        })
    }

    #[test]
    fn an_array_is_no_object_anywhere() {
        let mut objects = Vec::new();
        places(&CONFIG, "", &mut objects);
        assert!(objects.len() > 35, "{}", objects.len());
        for pointer in objects.iter().filter(|p| !p.is_empty()) {
            // serde would have read this from the array.
            for array in [json!([]), json!(["a", 1, null, "/run/agent.sock"])] {
                let mut raw = around(pointer, array);
                raw["ociVersion"] = json!("1.0.2");
                let error = parse(raw.to_string().as_bytes(), Path::new("f")).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    format!("f: {pointer}: invalid type: sequence, expected an object")
                );
            }
        }
    }

    #[test]
    fn what_the_spec_requires_must_be_there() {
        let resources = "/linux/resources";
        for (pointer, value, missing) in [
            ("/process/user".to_owned(), json!({}), "/uid /gid"),
            (
                "/process/user".to_owned(),
                json!({"uid": null, "gid": 7}),
                "/uid",
            ),
            (
                "/process/rlimits".to_owned(),
                json!([{"type": "RLIMIT_CORE", "soft": 0}, {"type": "RLIMIT_CPU", "hard": 1}]),
                "/0/hard /1/soft",
            ),
            (
                "/linux/devices".to_owned(),
                json!([
                    {"path": "/dev/a", "type": "c", "major": 1},
                    {"path": "/dev/b", "type": "b", "minor": 1},
                    {"path": "/dev/c", "type": "u"},
                    {"path": "/dev/d", "type": "p"},
                ]),
                "/0/minor /1/major /2/major /2/minor",
            ),
            (
                format!("{resources}/devices"),
                json!([{"access": "rwm"}, {"allow": false}]),
                "/0/allow",
            ),
            (
                format!("{resources}/hugepageLimits"),
                json!([{"pageSize": "2MB"}]),
                "/0/limit",
            ),
            (
                format!("{resources}/network"),
                json!({"priorities": [{"name": "eth0"}]}),
                "/priorities/0/priority",
            ),
            (
                format!("{resources}/blockIO"),
                json!({
                    "throttleReadBpsDevice": [{"minor": 0, "rate": 1}],
                    "throttleWriteBpsDevice": [{"major": 8, "rate": 1}],
                    "throttleReadIOPSDevice": [{"major": 8, "minor": 0}],
                    "throttleWriteIOPSDevice": [{}],
                    "weightDevice": [{"weight": 10}],
                }),
                "/throttleReadBpsDevice/0/major /throttleReadIOPSDevice/0/rate \
                 /throttleWriteBpsDevice/0/minor /throttleWriteIOPSDevice/0/major \
                 /throttleWriteIOPSDevice/0/minor /throttleWriteIOPSDevice/0/rate \
                 /weightDevice/0/major /weightDevice/0/minor",
            ),
        ] {
            let missing = missing.split(' ');
            let wanted: Vec<String> = missing.map(|m| format!("{pointer}{m}: missing")).collect();
            assert_eq!(problems(&with(&pointer, value)), wanted);
        }
        let mut raw = with(
            "/linux/namespaces",
            json!([{"type": "mount"}, {"type": "user"}]),
        );
        put(
            &mut raw,
            "/linux/uidMappings",
            json!([{"containerID": 0, "size": 1}]),
        );
        put(
            &mut raw,
            "/linux/gidMappings",
            json!([{"hostID": 1000, "size": 1}]),
        );
        assert_eq!(
            problems(&raw),
            [
                "/linux/gidMappings/0/containerID: missing",
                "/linux/uidMappings/0/hostID: missing",
            ]
        );
    }
}
