//! Raw JSON to the types of the runtime-spec.
//!
//! The types are stricter than the spec in a few places; what stands between them is taken out of a
//! copy first, so that a bundle fails here only for a value of the wrong type.

use hook_model::HookSet;
use oci_spec::runtime::Spec;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_path_to_error::Segment;

use super::capabilities;
use super::hooks;
use super::pointer::Pointer;
use super::problem::Problem;

/// A config.json in types.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) spec: Spec,
    pub(super) hooks: HookSet,
    /// What is wrong with the hooks.
    pub(super) problems: Vec<Problem>,
    /// What was read in a lenient way.
    pub(super) remarks: Vec<Problem>,
}

/// Reads a config.json into its types. `set_aside` are properties that need not fit their type,
/// because they are refused unless they ask for nothing.
pub(super) fn read(raw: &Value, set_aside: &[Pointer]) -> Result<Typed, Problem> {
    let mut value = raw.clone();
    for pointer in set_aside {
        remove(&mut value, pointer);
    }
    drop_nulls(&mut value);
    drop_unknown_capabilities(&mut value);
    add_user(&mut value);
    clamp_hugepage_limits(&mut value);
    let mut remarks = Vec::new();
    drop_empty_seccomp(&mut value, &mut remarks);
    root_destinations(&mut value, &mut remarks);
    let (hooks, problems) = hooks::read(&mut value);
    // Where in the text it is wrong is asked only when it is: keeping the place takes longer than reading.
    let spec = Spec::deserialize(&value).or_else(|_| {
        serde_path_to_error::deserialize(&value).map_err(|error| type_error(&error))
    })?;
    Ok(Typed {
        spec,
        hooks,
        problems,
        remarks,
    })
}

fn type_error(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let mut at = Pointer::root();
    for segment in error.path().iter() {
        match segment {
            Segment::Seq { index } => at = at.index(*index),
            Segment::Map { key } => at.push_key(key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let message = error.inner().to_string();
    let missing = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'));
    match missing {
        Some(field) => Problem::new(at.key(field), "missing"),
        None => Problem::new(at, message),
    }
}

/// Removes a member of an object.
fn remove(value: &mut Value, pointer: &Pointer) {
    let Some((parent, name)) = pointer.as_str().rsplit_once('/') else {
        return;
    };
    // Names in the table of properties need no escape.
    if let Some(object) = value.pointer_mut(parent).and_then(Value::as_object_mut) {
        object.remove(name);
    }
}

/// Engines are written in Go, where a `null` reads like an absent property.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(elements) => elements.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Unknown names are warned about by `capabilities::sets`; the type would refuse them.
fn drop_unknown_capabilities(value: &mut Value) {
    for set in capabilities::SETS {
        let pointer = format!("/process/capabilities/{set}");
        if let Some(names) = value.pointer_mut(&pointer).and_then(Value::as_array_mut) {
            names.retain(|name| {
                name.as_str()
                    .is_none_or(|name| capabilities::number(name).is_some())
            });
        }
    }
}

/// A process without `user` is root, as with runc.
fn add_user(value: &mut Value) {
    if let Some(process) = value.pointer_mut("/process").and_then(Value::as_object_mut) {
        process.entry("user").or_insert_with(|| json!({}));
    }
}

/// The type is signed where the spec's is not. What does not fit is beyond every machine's memory, so
/// both mean "no limit".
fn clamp_hugepage_limits(value: &mut Value) {
    let limits = value.pointer_mut("/linux/resources/hugepageLimits");
    for limit in limits.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(limit) = limit.get_mut("limit")
            && limit.as_u64().is_some_and(|n| i64::try_from(n).is_err())
        {
            *limit = i64::MAX.into();
        }
    }
}

/// `seccomp` with neither a default action nor system calls means no filter, as with runc.
fn drop_empty_seccomp(value: &mut Value, remarks: &mut Vec<Problem>) {
    fn is_empty(seccomp: &Map<String, Value>) -> bool {
        let action = seccomp.get("defaultAction");
        let syscalls = seccomp.get("syscalls").and_then(Value::as_array);
        action.is_none_or(|a| a.as_str() == Some("")) && syscalls.is_none_or(Vec::is_empty)
    }
    let Some(linux) = value.pointer_mut("/linux").and_then(Value::as_object_mut) else {
        return;
    };
    if linux
        .get("seccomp")
        .and_then(Value::as_object)
        .is_some_and(is_empty)
    {
        linux.remove("seccomp");
        remarks.push(Problem::new(
            Pointer::at("/linux/seccomp"),
            "neither a default action nor system calls, so there is no filter",
        ));
    }
}

/// "It MAY be a relative path, in which case it MUST be interpreted as relative to /. Relative paths
/// are deprecated" (config.md, Mounts).
fn root_destinations(value: &mut Value, remarks: &mut Vec<Problem>) {
    let mounts = value.pointer_mut("/mounts").and_then(Value::as_array_mut);
    for (i, mount) in mounts.into_iter().flatten().enumerate() {
        let Some(Value::String(destination)) = mount.get_mut("destination") else {
            continue;
        };
        if !destination.is_empty() && !destination.starts_with('/') {
            remarks.push(Problem::new(
                Pointer::at("/mounts").index(i).key("destination"),
                format!("{destination:?} is relative, taken as relative to /"),
            ));
            destination.insert(0, '/');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read_fine(raw: &Value) -> (Spec, Vec<String>) {
        let typed = read(raw, &[]).unwrap();
        let remarks = typed.remarks.iter().map(ToString::to_string);
        (typed.spec, remarks.collect())
    }

    fn error(raw: &Value) -> String {
        read(raw, &[]).unwrap_err().to_string()
    }

    #[test]
    fn type_errors_name_the_place() {
        let text = error(&json!({"process": {"cwd": "/", "user": {"uid": "root"}}}));
        assert_eq!(
            text,
            "/process/user/uid: invalid type: string \"root\", expected u32"
        );
        let text = error(&json!({"linux": {"resources": {"devices": [{"allow": 1}]}}}));
        assert!(
            text.starts_with("/linux/resources/devices/0/allow: invalid type"),
            "{text}"
        );
        let text = error(&json!({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_\nX"}}}));
        assert!(
            text.starts_with("/linux/seccomp/defaultAction: unknown variant `SCMP_ACT_\\nX`"),
            "{text}"
        );
        assert!(!text.contains('\n'));
        assert_eq!(
            error(&json!({"process": {"user": {}}})),
            "/process/cwd: missing"
        );
        assert_eq!(
            error(&json!({"mounts": [{"type": "proc"}]})),
            "/mounts/0/destination: missing"
        );
    }

    #[test]
    fn nulls_read_like_absent_properties() {
        let (spec, remarks) = read_fine(&json!({
            "mounts": null,
            "process": {"cwd": "/", "user": null, "args": ["sh"]},
            "linux": {"resources": {"pids": {"limit": null}}},
        }));
        assert!(spec.mounts().is_none());
        assert_eq!(spec.process().as_ref().unwrap().user().uid(), 0);
        assert!(remarks.is_empty());
    }

    #[test]
    fn refused_properties_need_not_fit_their_types() {
        let raw = json!({"linux": {"timeOffsets": "x", "cgroupsPath": "/a"}, "windows": 7});
        let set_aside = ["/linux/timeOffsets", "/windows"].map(Pointer::at);
        let spec = read(&raw, &set_aside).unwrap().spec;
        assert_eq!(
            spec.linux().as_ref().unwrap().cgroups_path().as_deref(),
            Some(Path::new("/a"))
        );
    }

    #[test]
    fn unknown_capabilities_do_not_fail() {
        let (spec, _) = read_fine(&json!({"process": {"cwd": "/", "capabilities": {
            "bounding": ["CAP_KILL", "CAP_FUTURE"],
        }}}));
        let process = spec.process().as_ref().unwrap();
        let sets = process.capabilities().as_ref().unwrap();
        assert_eq!(sets.bounding().as_ref().unwrap().len(), 1);
        let text = error(&json!({"process": {"cwd": "/", "capabilities": {"bounding": [7]}}}));
        assert!(
            text.starts_with("/process/capabilities/bounding/0: invalid type"),
            "{text}"
        );
    }

    #[test]
    fn hugepage_limits_beyond_all_memory() {
        let (spec, _) = read_fine(&json!({"linux": {"resources": {"hugepageLimits": [
            {"pageSize": "2MB", "limit": u64::MAX}, {"pageSize": "1GB", "limit": 7},
        ]}}}));
        let linux = spec.linux().as_ref().unwrap();
        let limits = linux.resources().as_ref().unwrap().hugepage_limits();
        let limits: Vec<i64> = limits.iter().flatten().map(|l| l.limit()).collect();
        assert_eq!(limits, [i64::MAX, 7]);
    }

    #[test]
    fn empty_seccomp_is_no_filter() {
        for seccomp in [json!({}), json!({"defaultAction": "", "syscalls": []})] {
            let (spec, remarks) = read_fine(&json!({"linux": {"seccomp": seccomp}}));
            assert!(spec.linux().as_ref().unwrap().seccomp().is_none());
            assert_eq!(
                remarks,
                [
                    "/linux/seccomp: neither a default action nor system calls, so there is no filter"
                ]
            );
        }
        let text = error(&json!({"linux": {"seccomp": {"syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}}}));
        assert_eq!(text, "/linux/seccomp/defaultAction: missing");
    }

    #[test]
    fn relative_destinations_are_taken_from_the_root() {
        let (spec, remarks) =
            read_fine(&json!({"mounts": [{"destination": "/a"}, {"destination": "b/c"}]}));
        let mounts = spec.mounts().as_ref().unwrap();
        assert_eq!(mounts[0].destination(), Path::new("/a"));
        assert_eq!(mounts[1].destination(), Path::new("/b/c"));
        assert_eq!(
            remarks,
            ["/mounts/1/destination: \"b/c\" is relative, taken as relative to /"]
        );
    }
}
