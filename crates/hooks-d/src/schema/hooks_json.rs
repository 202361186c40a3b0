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
    let mut definitions = Vec::new();
    for (phase, list, place) in stages(file, report) {
        phase_hooks(phase, list, &place, host_root, &mut definitions, report);
    }
    definitions
}

/// The list of each phase and its place, in the order of a container's life. As in Go, keys may be spelled in any case.
fn stages<'a>(file: &'a Value, report: &mut Report) -> Vec<(Phase, &'a Value, String)> {
    let Value::Object(members) = file else {
        report.model(json::wrong_type("", "an object", file));
        return Vec::new();
    };
    let is_hooks = |key: &str| key.eq_ignore_ascii_case("hooks");
    let mut wrapped = members.iter().filter(|(key, _)| is_hooks(key));
    let (stages, pointer) = match wrapped.find(|(_, hooks)| !hooks.is_null()) {
        Some((key, Value::Object(stages))) => (stages, child("", key)),
        Some((key, other)) => {
            report.model(json::wrong_type(&child("", key), "an object", other));
            return Vec::new();
        }
        None => (members, String::new()),
    };
    if !pointer.is_empty() {
        for key in members.keys().filter(|key| child("", key) != pointer) {
            let reason = "stands beside \"hooks\", where the stages are";
            report.error(child("", key).into(), reason);
        }
    }
    let mut found: Vec<(Phase, &Value, String)> = Vec::new();
    for (key, list) in stages {
        // Without stages in it that is null.
        if pointer.is_empty() && is_hooks(key) {
            continue;
        }
        let place = child(&pointer, key);
        let mut phases = Phase::ALL.into_iter();
        match phases.find(|phase| phase.oci_name().eq_ignore_ascii_case(key)) {
            None => report.error(place.into(), "unknown stage"),
            Some(phase) => match found.iter().find(|(other, ..)| *other == phase) {
                Some((.., other)) => {
                    report.error(place.into(), format!("is given twice, also at {other}"));
                }
                None => found.push((phase, list, place)),
            },
        }
    }
    found.sort_by_key(|(phase, ..)| *phase);
    found
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
