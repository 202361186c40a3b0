//! hooks.json of container-hooks-toolkit: the `hooks` of a configuration, bare or under that key.

use std::path::Path;

use hook_model::{Hook, Phase, child, json};
use serde_json::Value;

use crate::condition::When;
use crate::definition::{Definition, Stage};
use crate::hook;
use crate::problem::Report;

/// The base name of the toolkit's marker, a program that does nothing. It marks a configuration as changed already and need
/// not exist here.
const MARKER: &str = "container-hooks";

/// Reads a file. Every hook is for every container.
pub fn read(file: &Value, host_root: Option<&Path>, report: &mut Report) -> Vec<Definition> {
    let (stages, pointer) = match file.get("hooks") {
        Some(hooks) if !hooks.is_null() => (hooks, "/hooks"),
        _ => (file, ""),
    };
    if !pointer.is_empty() {
        for key in file.as_object().into_iter().flat_map(|file| file.keys()) {
            if key != "hooks" {
                let reason = "stands beside \"hooks\", where the stages are";
                report.error(child("", key).into(), reason);
            }
        }
    }
    let Value::Object(stages) = stages else {
        report.model(json::wrong_type(pointer, "an object", stages));
        return Vec::new();
    };
    // In the order of a container's life, for people.
    let position = |key: &str| Phase::from_oci_name(key.as_bytes());
    let mut stages: Vec<_> = stages.iter().collect();
    stages.sort_by_key(|(key, _)| position(key));
    let mut definitions = Vec::new();
    for (key, list) in stages {
        let place = child(pointer, key);
        match position(key) {
            Some(phase) => phase_hooks(phase, list, &place, host_root, &mut definitions, report),
            None => report.error(place.into(), "unknown stage"),
        }
    }
    definitions
}

fn phase_hooks(
    phase: Phase,
    list: &Value,
    place: &str,
    host_root: Option<&Path>,
    definitions: &mut Vec<Definition>,
    report: &mut Report,
) {
    let list = match list {
        Value::Null => return,
        Value::Array(list) => list,
        other => return report.model(json::wrong_type(place, "an array", other)),
    };
    for (i, value) in list.iter().enumerate() {
        let place = format!("{place}/{i}");
        let Some((hook, sha256)) = hook::read_pinned(value, &place, report) else {
            continue;
        };
        if is_marker(&hook) {
            continue;
        }
        let definition = Definition {
            hook,
            stages: vec![Stage::Phase(phase)],
            when: When::always(),
            sha256,
        };
        hook::check(&definition, &child(&place, "path"), host_root, report);
        definitions.push(definition);
    }
}

fn is_marker(hook: &Hook) -> bool {
    hook.path.file_name().is_some_and(|name| name == MARKER)
}
