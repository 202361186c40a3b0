//! From the bytes of a file to what it defines.

mod current;
mod hooks_json;
mod legacy;
mod stages;
mod text;

use std::path::Path;

use serde_json::Value;

use crate::definition::Definition;
use crate::problem::Report;

/// Reads a file of a hooks.d directory. Problems are reported; with an error among them the result means nothing.
pub fn hooks_d(content: &[u8], host_root: Option<&Path>, report: &mut Report) -> Vec<Definition> {
    let Some(value) = text::parse(content, report) else {
        return Vec::new();
    };
    let definition = match version(&value) {
        None => legacy::read(&value, host_root, report),
        Some(Value::String(version)) if matches!(&**version, "" | legacy::VERSION) => {
            legacy::read(&value, host_root, report)
        }
        Some(_) => current::read(&value, host_root, report),
    };
    definition.into_iter().collect()
}

/// Reads a hooks.json. Problems are reported; with an error among them the result means nothing.
pub fn hooks_json(
    content: &[u8],
    host_root: Option<&Path>,
    report: &mut Report,
) -> Vec<Definition> {
    match text::parse(content, report) {
        Some(value) => hooks_json::read(&value, host_root, report),
        None => Vec::new(),
    }
}

/// The value of `version`, in any case; null is no version.
fn version(file: &Value) -> Option<&Value> {
    let mut members = file.as_object()?.iter();
    let (_, version) = members.find(|(key, _)| key.eq_ignore_ascii_case("version"))?;
    Some(version).filter(|version| !version.is_null())
}
