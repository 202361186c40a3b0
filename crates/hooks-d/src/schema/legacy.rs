//! Schema 0.1.0, that of the first CRI-O.

use std::path::Path;

use hook_model::Hook;
use serde_json::Value;

use crate::condition::{Combine, Condition, When};
use crate::definition::Definition;
use crate::hook::{self, EXTENSION};
use crate::members::Members;
use crate::problem::Report;

use super::{current, stages};

pub const VERSION: &str = "0.1.0";

/// Reads a file. `None` means that an error was reported; there may be one with a result, too.
pub fn read(file: &Value, host_root: Option<&Path>, report: &mut Report) -> Option<Definition> {
    const KNOWN: [&str; 11] = [
        "version",
        "hook",
        "arguments",
        "stages",
        "stage",
        "cmds",
        "cmd",
        "annotations",
        "annotation",
        "hasbindmounts",
        EXTENSION,
    ];
    let members = Members::read(file, "", &KNOWN, report)?;
    let sha256 = hook::pin(&members, report);
    let when = when(&members, report);
    let stages = stages::read(&members, &["stages", "stage"], report);
    let definition = Definition {
        hook: read_hook(&members, report)?,
        stages: stages?,
        when,
        sha256,
    };
    hook::check(&definition, &members.place("hook"), host_root, report);
    Some(definition)
}

/// The path is a member of the file, and the arguments come after it.
fn read_hook(file: &Members<'_>, report: &mut Report) -> Option<Hook> {
    let arguments = file.strings("arguments", report);
    if file.get("hook").is_none() {
        report.error("/hook".into(), "is missing");
    }
    let (path, place) = file.string("hook", report)?;
    let args = arguments.map(|list| {
        let arguments = list.into_iter().map(|(argument, _)| argument);
        std::iter::once(path)
            .chain(arguments)
            .map(str::to_owned)
            .collect()
    });
    let hook = Hook {
        args,
        ..Hook::new(path)
    };
    // The arguments are strings of a JSON text without NUL, so that only the path can be wrong.
    let problems = hook.problems("");
    for problem in &problems {
        report.error(place.as_str().into(), problem.reason.as_str());
    }
    problems.is_empty().then(|| hook::with_environment(hook))
}

fn when(file: &Members<'_>, report: &mut Report) -> When {
    let mut conditions = Vec::new();
    if let Some(wanted) = file.boolean("hasbindmounts", report) {
        if !wanted {
            let reason = "is false, which matches no container";
            report.warning(file.place("hasbindmounts").into(), reason);
        }
        conditions.push(Condition::HasBindMounts(wanted));
    }
    if let Some(name) = file.one_of(&["annotations", "annotation"], report) {
        conditions.extend(annotation(file, name, report));
    }
    if let Some(name) = file.one_of(&["cmds", "cmd"], report) {
        conditions.extend(current::commands(file, name, report));
    }
    if conditions.is_empty() && !report.has_errors() {
        let reason = "has no condition, so no container gets the hook";
        report.warning("".into(), reason);
    }
    When {
        combine: Combine::Any,
        conditions,
    }
}

/// One pattern for any value, made of all as alternatives; an empty list matches every value.
fn annotation(file: &Members<'_>, name: &str, report: &mut Report) -> Option<Condition> {
    let values: Vec<&str> = file
        .strings(name, report)?
        .into_iter()
        .map(|(value, _)| value)
        .collect();
    let place = file.place(name);
    Some(Condition::Annotation {
        key: current::pattern("", &place, report)?,
        value: current::pattern(&values.join("|"), &place, report)?,
    })
}
