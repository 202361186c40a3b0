//! Schema 1.0.0.

use std::path::Path;

use hook_model::{child, json};
use serde_json::Value;

use crate::condition::{Combine, Condition, When};
use crate::definition::Definition;
use crate::hook::{self, EXTENSION};
use crate::members::{Members, string};
use crate::pattern::Pattern;
use crate::problem::Report;

use super::stages;

pub const VERSION: &str = "1.0.0";

/// Reads a file. `None` means that an error was reported; there may be one with a result, too.
pub fn read(file: &Value, host_root: Option<&Path>, report: &mut Report) -> Option<Definition> {
    const KNOWN: [&str; 5] = ["version", "hook", "when", "stages", EXTENSION];
    let members = Members::read(file, "", &KNOWN, report)?;
    let (version, place) = members.string("version", report)?;
    if version != VERSION {
        let reason = format!("{version:?} is no known version, which are 1.0.0 and 0.1.0");
        report.error(place.into(), reason);
        return None;
    }
    let sha256 = hook::pin(&members, report);
    let when = when(&members, report);
    let stages = stages::read(&members, &["stages"], report);
    let Some((value, place)) = members.get("hook") else {
        report.error("/hook".into(), "is missing");
        return None;
    };
    let definition = Definition {
        hook: hook::read(value, &place, report)?,
        stages: stages?,
        when,
        sha256,
    };
    hook::check(&definition, &child(&place, "path"), host_root, report);
    Some(definition)
}

fn when(file: &Members<'_>, report: &mut Report) -> When {
    let mut when = When {
        combine: Combine::All,
        conditions: Vec::new(),
    };
    let Some((value, place)) = file.get("when") else {
        report.warning("/when".into(), "is missing, so no container gets the hook");
        return when;
    };
    const KNOWN: [&str; 4] = ["always", "annotations", "commands", "hasbindmounts"];
    let Some(members) = Members::read(value, &place, &KNOWN, report) else {
        return when;
    };
    let conditions = &mut when.conditions;
    for (name, condition) in [
        ("always", Condition::Always as fn(bool) -> Condition),
        ("hasbindmounts", Condition::HasBindMounts),
    ] {
        if let Some(wanted) = members.boolean(name, report) {
            if !wanted {
                let reason = "is false, so no container gets the hook";
                report.warning(members.place(name).into(), reason);
            }
            conditions.push(condition(wanted));
        }
    }
    annotations(&members, conditions, report);
    conditions.extend(commands(&members, "commands", report));
    if conditions.is_empty() && !report.has_errors() {
        let reason = "has no condition, so no container gets the hook";
        report.warning(place.into(), reason);
    }
    when
}

fn annotations(when: &Members<'_>, conditions: &mut Vec<Condition>, report: &mut Report) {
    let Some((value, place)) = when.get("annotations") else {
        return;
    };
    let Value::Object(pairs) = value else {
        report.model(json::wrong_type(&place, "an object", value));
        return;
    };
    for (key, value) in pairs {
        let place = child(&place, key);
        let value = string(value, &place, report).and_then(|text| pattern(text, &place, report));
        if let (Some(key), Some(value)) = (pattern(key, &place, report), value) {
            conditions.push(Condition::Annotation { key, value });
        }
    }
}

/// A condition on the command, unless the list is missing or empty.
pub fn commands(members: &Members<'_>, name: &str, report: &mut Report) -> Option<Condition> {
    let commands = members.strings(name, report)?;
    let patterns: Vec<Pattern> = commands
        .iter()
        .filter_map(|(text, place)| pattern(text, place, report))
        .collect();
    (!commands.is_empty()).then_some(Condition::Commands(patterns))
}

/// Reads a pattern; what is none is reported.
pub fn pattern(text: &str, place: &str, report: &mut Report) -> Option<Pattern> {
    Pattern::new(text)
        .map_err(|reason| report.error(place.into(), format!("pattern {text:?}: {reason}")))
        .ok()
}
