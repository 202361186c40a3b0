//! The hook object that all schemas share: its members, its pin, its executable.

use std::path::Path;

use hook_model::check::{NotExecutable, check_executable, check_metadata};
use hook_model::{DEFAULT_PATH, Hook, Phase};
use nix::fcntl::OFlag;
use serde_json::{Map, Value};

use crate::below::open_below;
use crate::definition::{Definition, NotADigest, Sha256, Stage};
use crate::members::Members;
use crate::problem::Report;

/// The extension with what only we know; others ignore it.
pub const EXTENSION: &str = "lxcri";

const MEMBERS: [&str; 4] = ["path", "args", "env", "timeout"];

/// Reads a hook object.
pub fn read(value: &Value, pointer: &str, report: &mut Report) -> Option<Hook> {
    let members = Members::read(value, pointer, &MEMBERS, report)?;
    from_members(&members, pointer, report)
}

/// Reads a hook object that has a pin of its own.
pub fn read_pinned(
    value: &Value,
    pointer: &str,
    report: &mut Report,
) -> Option<(Hook, Option<Sha256>)> {
    let [path, args, env, timeout] = MEMBERS;
    let known = [path, args, env, timeout, EXTENSION];
    let members = Members::read(value, pointer, &known, report)?;
    let sha256 = pin(&members, report);
    Some((from_members(&members, pointer, report)?, sha256))
}

fn from_members(members: &Members<'_>, pointer: &str, report: &mut Report) -> Option<Hook> {
    let spelled_right: Map<String, Value> = members
        .iter()
        .filter(|(name, _)| MEMBERS.contains(name))
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect();
    let mut problems = Vec::new();
    let hook = Hook::from_value(&Value::Object(spelled_right), pointer, &mut problems);
    for mut problem in problems {
        problem.pointer = as_spelled(&problem.pointer, pointer, members);
        report.model(problem);
    }
    hook.map(with_environment)
}

/// Without an environment of its own a hook gets a default PATH: no consumer can let another one leak into it.
pub fn with_environment(hook: Hook) -> Hook {
    let env = hook.env.or_else(|| Some(vec![DEFAULT_PATH.to_owned()]));
    Hook { env, ..hook }
}

/// The pointer to a member as the file spells it.
fn as_spelled(found: &str, hook: &str, members: &Members<'_>) -> String {
    let Some(below) = found.strip_prefix(hook).and_then(|p| p.strip_prefix('/')) else {
        return found.to_owned();
    };
    match below.split_once('/') {
        None => members.place(below),
        Some((name, rest)) => format!("{}/{rest}", members.place(name)),
    }
}

/// The pin in the extension, if there is one.
pub fn pin(members: &Members<'_>, report: &mut Report) -> Option<Sha256> {
    let (value, place) = members.get(EXTENSION)?;
    let extension = Members::read(value, &place, &["sha256"], report)?;
    let (text, place) = extension.string("sha256", report)?;
    text.parse()
        .map_err(|e: NotADigest| report.error(place.into(), e.to_string()))
        .ok()
}

/// Reports a hook whose file cannot be executed or whose pin cannot be checked. The file is looked for below
/// `host_root` if there is one.
///
/// The path of a hook for startContainer alone is one of the container and cannot be looked at.
pub fn check(definition: &Definition, place: &str, host_root: Option<&Path>, report: &mut Report) {
    let of_container = |stage: &Stage| *stage == Stage::Phase(Phase::StartContainer);
    if definition.sha256.is_some() && definition.stages.iter().any(of_container) {
        let reason = "is pinned and for startContainer, where it is a file of the container";
        report.error(place.into(), reason);
    }
    if !definition.stages.is_empty() && definition.stages.iter().all(of_container) {
        return;
    }
    let checked = match host_root {
        None => check_executable(&definition.hook),
        Some(root) => check_below(&definition.hook, root),
    };
    if let Err(e) = checked {
        report.error(place.into(), e.to_string());
    }
}

fn check_below(hook: &Hook, root: &Path) -> Result<(), NotExecutable> {
    let metadata = open_below(root, &hook.path, OFlag::O_PATH)
        .map_err(std::io::Error::from)
        .and_then(|file| file.metadata());
    check_metadata(hook, metadata)
}
