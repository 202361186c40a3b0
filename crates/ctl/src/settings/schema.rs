//! The JSON Schema of a configuration file. Editors and checkers of TOML take it for TOML as well.

use serde_json::{Map, Value, json};

use super::{Key, Kind, Settings};

/// The dialect of all schemas here.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a file.
pub fn of(settings: &Settings) -> Value {
    let properties: Map<String, Value> = settings
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    json!({
        "$schema": DIALECT,
        "title": settings.path,
        "description": format!("Read by {}.", settings.program),
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn property(key: &Key) -> Value {
    let path = json!({"type": "string", "pattern": "^/"});
    let mut property = match key.kind {
        Kind::Path => path,
        Kind::Paths => json!({"type": "array", "items": path}),
        Kind::Programs => {
            let name = json!({"type": "string", "pattern": "^(/|[^/]+$)"});
            json!({"type": "array", "items": name, "minItems": 1})
        }
        Kind::Choice(words) => json!({"enum": words}),
        Kind::Flag => json!({"type": "boolean"}),
    };
    property["description"] = json!(key.about);
    // The defaults are such that they are JSON, too.
    let default = key.default.and_then(|text| serde_json::from_str(text).ok());
    if let Some(default) = default {
        property["default"] = default;
    }
    property
}
