//! From the JSON of `hooks` to hooks, every problem reported at once.

use std::num::NonZeroU64;

use serde_json::{Map, Value};

use crate::hook::Hook;
use crate::json::wrong_type;
use crate::problem::{Problem, Problems, child};
use crate::set::HookSet;
use hook_tree::Phase;

/// Where hooks are in a configuration.
const ROOT: &str = "/hooks";

impl HookSet {
    /// Builds a set from the value at `/hooks` of a configuration; null is an empty set.
    ///
    /// Go programs write null for an empty list, so null is a missing value everywhere.
    pub fn from_value(hooks: &Value) -> Result<HookSet, Problems> {
        let mut problems = Vec::new();
        let mut set = HookSet::default();
        for (key, list) in members(hooks, ROOT, &mut problems) {
            let pointer = child(ROOT, key);
            let Some(phase) = Phase::from_oci_name(key.as_bytes()) else {
                problems.push(Problem::new(pointer, "not supported: no such phase"));
                continue;
            };
            for (i, hook) in elements(list, &pointer, &mut problems).iter().enumerate() {
                if let Some(hook) = Hook::from_value(hook, &format!("{pointer}/{i}"), &mut problems)
                {
                    set.push(phase, hook);
                }
            }
        }
        Problems(problems).none_or(set)
    }

    /// Builds a set from the type of the crate `oci-spec`.
    pub fn from_spec(hooks: &oci_spec::runtime::Hooks) -> Result<HookSet, Problems> {
        // Through JSON, so that there is one set of rules. It fails only for a path that is not UTF-8.
        let value = serde_json::to_value(hooks)
            .map_err(|e| Problems(vec![Problem::new(ROOT, e.to_string())]))?;
        HookSet::from_value(&value)
    }
}

impl Hook {
    /// Reads one hook at `pointer`. `None` means that at least one problem was added.
    pub fn from_value(value: &Value, pointer: &str, problems: &mut Vec<Problem>) -> Option<Hook> {
        let before = problems.len();
        if value.is_null() {
            problems.push(wrong_type(pointer, "an object", value));
        }
        let members = members(value, pointer, problems);
        for (key, _) in members.clone() {
            if !matches!(key, "path" | "args" | "env" | "timeout") {
                problems.push(Problem::new(
                    child(pointer, key),
                    "not supported: no such member of a hook",
                ));
            }
        }
        let member = |name| {
            members
                .clone()
                .find(|(key, value)| *key == name && !value.is_null())
                .map(|(_, v)| v)
        };

        let path = match member("path") {
            Some(Value::String(path)) => Some(path.as_str()),
            Some(other) => {
                problems.push(wrong_type(&child(pointer, "path"), "a string", other));
                None
            }
            None if value.is_object() => {
                problems.push(Problem::new(child(pointer, "path"), "is missing"));
                None
            }
            None => None,
        };
        let args = member("args").map(|list| strings(list, &child(pointer, "args"), problems));
        let env = member("env").map(|list| strings(list, &child(pointer, "env"), problems));
        let timeout = member("timeout")
            .and_then(|value| seconds(value, &child(pointer, "timeout"), problems));

        // A missing path is already reported; the root is valid enough to look for problems in the rest.
        let hook = Hook {
            path: path.unwrap_or("/").into(),
            args,
            env,
            timeout,
        };
        problems.extend(hook.problems(pointer));
        (problems.len() == before).then_some(hook)
    }
}

/// The members of an object; none, and a problem, where it is something else.
fn members<'a>(
    value: &'a Value,
    pointer: &str,
    problems: &mut Vec<Problem>,
) -> impl Iterator<Item = (&'a str, &'a Value)> + Clone + use<'a> {
    let map: Option<&'a Map<String, Value>> = match value {
        Value::Object(map) => Some(map),
        Value::Null => None,
        other => {
            problems.push(wrong_type(pointer, "an object", other));
            None
        }
    };
    map.into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value))
}

/// The elements of an array; none, and a problem, where it is something else.
fn elements<'a>(value: &'a Value, pointer: &str, problems: &mut Vec<Problem>) -> &'a [Value] {
    match value {
        Value::Array(list) => list,
        Value::Null => &[],
        other => {
            problems.push(wrong_type(pointer, "an array", other));
            &[]
        }
    }
}

/// An array of strings.
fn strings(value: &Value, pointer: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut list = Vec::new();
    for (i, element) in elements(value, pointer, problems).iter().enumerate() {
        match element {
            Value::String(text) => list.push(text.clone()),
            other => problems.push(wrong_type(&format!("{pointer}/{i}"), "a string", other)),
        }
    }
    list
}

/// A timeout. The spec's type is a signed integer, so nothing above its range is taken.
fn seconds(value: &Value, pointer: &str, problems: &mut Vec<Problem>) -> Option<NonZeroU64> {
    let Value::Number(number) = value else {
        problems.push(wrong_type(pointer, "an integer", value));
        return None;
    };
    let reason = match number.as_i64() {
        Some(seconds) => match u64::try_from(seconds).ok().and_then(NonZeroU64::new) {
            Some(seconds) => return Some(seconds),
            None => format!("{number} is not greater than zero"),
        },
        None => {
            format!("{number} is not a whole number of seconds in the range of a 64-bit integer")
        }
    };
    problems.push(Problem::new(pointer, reason));
    None
}
