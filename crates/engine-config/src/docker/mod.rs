//! Docker's daemon.json: the keys `runtimes` and `default-runtime`, edited where they stand.

use std::path::Path;

use hook_model::json;
use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::{Map, Value};

use crate::effective::{Effective, Found};
use crate::error::{Error, Result};
use crate::runtime::{Runtime, default_of};

const RUNTIMES: &str = "runtimes";
const DEFAULT: &str = "default-runtime";

/// The file with the runtimes in it. Nothing but their keys changes.
pub(crate) fn add(path: &Path, text: Option<&str>, runtimes: &[Runtime]) -> Result<String> {
    let text = text.unwrap_or_default();
    let checked = check(path, text)?;
    let document = Document::parse(path, text)?;
    for runtime in runtimes {
        document.set_runtime(&checked, runtime);
    }
    if let Some(name) = default_of(runtimes) {
        document.set_default(&checked, name);
    }
    Ok(document.text())
}

/// The file without the runtimes called `names`. If the default is one of them, `previous` comes back.
pub(crate) fn strip(
    path: &Path,
    text: &str,
    names: &[&str],
    previous: Option<&str>,
) -> Result<String> {
    let checked = check(path, text)?;
    let previous = match previous {
        Some(text) => check(path, text)?.default,
        None => None,
    };
    let mentioned = names
        .iter()
        .any(|name| checked.runtimes.contains_key(*name));
    let is_default = checked
        .default
        .as_deref()
        .is_some_and(|d| names.contains(&d));
    if !mentioned && !is_default {
        return Ok(text.to_owned());
    }
    let document = Document::parse(path, text)?;
    document.remove_runtimes(names);
    if is_default {
        match previous {
            Some(name) => document.set_default(&checked, &name),
            None => document.remove(DEFAULT),
        }
    }
    Ok(document.text())
}

/// What Docker takes from the file.
pub(crate) fn effective(path: &Path, text: Option<&str>) -> Result<Effective> {
    let mut effective = Effective::default();
    let Some(text) = text else {
        return Ok(effective);
    };
    effective.files.push(path.to_owned());
    let checked = check(path, text)?;
    effective.default = checked.default.map(|name| Found::new(name, path));
    for (name, runtime) in checked.runtimes {
        // dockerd refuses an entry that has both.
        let program = runtime
            .get("runtimeType")
            .or(runtime.get("path"))
            .and_then(Value::as_str);
        effective.runtimes.insert(
            name,
            Found::new(program.unwrap_or_default().to_owned(), path),
        );
    }
    Ok(effective)
}

/// The part of the file that matters here.
struct Checked {
    runtimes: Map<String, Value>,
    default: Option<String>,
}

/// Whether this is JSON, without a key twice, and whether the keys of interest hold what they should.
fn check(path: &Path, text: &str) -> Result<Checked> {
    if text.trim().is_empty() {
        return Ok(Checked {
            runtimes: Map::new(),
            default: None,
        });
    }
    let value = json::parse(text).map_err(|e| not_json(path, &e))?;
    let wrong = |pointer: &str, value: &Value, wanted: &str| {
        let problem = json::wrong_type(pointer, wanted, value);
        Error::content(path, problem.pointer, problem.reason)
    };
    let Value::Object(mut root) = value else {
        return Err(wrong("the whole file", &value, "an object"));
    };
    let runtimes = match root.remove(RUNTIMES) {
        None => Map::new(),
        Some(Value::Object(runtimes)) => runtimes,
        Some(other) => return Err(wrong("/runtimes", &other, "an object")),
    };
    for (name, runtime) in &runtimes {
        if !runtime.is_object() {
            let name = name.replace('~', "~0").replace('/', "~1");
            return Err(wrong(&format!("/runtimes/{name}"), runtime, "an object"));
        }
    }
    let default = match root.remove(DEFAULT) {
        None => None,
        Some(Value::String(name)) => Some(name),
        Some(other) => return Err(wrong("/default-runtime", &other, "a string")),
    };
    Ok(Checked { runtimes, default })
}

fn not_json(path: &Path, error: &serde_json::Error) -> Error {
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    Error::content(path, format!("{}:{}", error.line(), error.column()), reason)
}

/// The file as a tree that remembers every byte.
struct Document {
    root: CstRootNode,
    object: CstObject,
}

impl Document {
    /// Takes a text that has been checked, so it does not matter that this parser knows more than JSON.
    fn parse(path: &Path, text: &str) -> Result<Document> {
        // An empty file means an empty object to Docker.
        let text = if text.trim().is_empty() { "{}\n" } else { text };
        let wrong = |reason: String| Error::content(path, "the whole file", reason);
        let root =
            CstRootNode::parse(text, &ParseOptions::default()).map_err(|e| wrong(e.to_string()))?;
        let object = root
            .object_value()
            .ok_or_else(|| wrong("not an object".into()))?;
        Ok(Document { root, object })
    }

    fn text(&self) -> String {
        self.root.to_string()
    }

    /// Adds the runtime, or corrects its path and leaves what else its entry says.
    fn set_runtime(&self, checked: &Checked, runtime: &Runtime) {
        let program = runtime.path.to_string_lossy().into_owned();
        let written = checked
            .runtimes
            .get(&runtime.name)
            .and_then(|r| r.get("path"));
        if written.and_then(Value::as_str) == Some(&program) {
            return;
        }
        let runtimes = self.object.object_value_or_set(RUNTIMES);
        match runtimes.object_value(&runtime.name) {
            Some(entry) => set(&entry, "path", program.into()),
            None => set(
                &runtimes,
                &runtime.name,
                CstInputValue::Object(vec![("path".to_owned(), program.into())]),
            ),
        }
    }

    fn set_default(&self, checked: &Checked, name: &str) {
        if checked.default.as_deref() != Some(name) {
            set(&self.object, DEFAULT, name.into());
        }
    }

    fn remove(&self, key: &str) {
        if let Some(property) = self.object.get(key) {
            property.remove();
        }
    }

    /// Removes the runtimes, and their object with the last of them.
    fn remove_runtimes(&self, names: &[&str]) {
        let Some(runtimes) = self.object.object_value(RUNTIMES) else {
            return;
        };
        for property in names.iter().filter_map(|name| runtimes.get(name)) {
            property.remove();
        }
        if runtimes.properties().is_empty() {
            self.remove(RUNTIMES);
        }
    }
}

fn set(object: &CstObject, key: &str, value: CstInputValue) {
    match object.get(key) {
        Some(property) => property.set_value(value),
        None => {
            object.append(key, value);
        }
    }
}

#[cfg(test)]
mod tests;
