//! `lxcri-ctl schema`: the JSON Schema of a file.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::schema::{Name, Schema};
use crate::output::print;
use crate::settings::{INJECT, LXCRI, schema};

/// Of a file in a hooks.d directory.
const HOOKS: &str = include_str!("../../schema/hooks.json");

/// Prints the schema.
pub fn execute(options: &Schema) -> Result<ExitCode> {
    match options.name {
        Name::Hooks => print(HOOKS)?,
        Name::Inject => print(&format!("{:#}\n", schema::of(&INJECT)))?,
        Name::Lxcri => print(&format!("{:#}\n", schema::of(&LXCRI)))?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::HOOKS;
    use hooks_d::{Access, Sources, Stage, load};
    use serde_json::{Value, json};

    fn schema() -> Value {
        serde_json::from_str(HOOKS).unwrap()
    }

    fn keys(value: &Value) -> Vec<&str> {
        value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect()
    }

    /// What the schema allows is what the library knows: with all of its keys, nothing is unknown.
    #[test]
    fn the_schema_of_hook_files_has_the_keys_that_are_read() {
        let file = json!({
            "version": "1.0.0",
            "hook": {"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 1},
            "when": {"always": true, "annotations": {"a": "b"}, "commands": ["c"], "hasBindMounts": true},
            "stages": ["createRuntime"],
            "lxcri": {"sha256": "0".repeat(64)},
        });
        let schema = schema();
        let properties = &schema["properties"];
        assert_eq!(keys(properties), keys(&file));
        assert_eq!(keys(&properties["when"]["properties"]), keys(&file["when"]));
        assert_eq!(
            keys(&schema["$defs"]["hook"]["properties"]),
            keys(&file["hook"])
        );
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.json"), file.to_string()).unwrap();
        let files = load(&Sources {
            access: Access::Anyone,
            ..Sources::from_dirs([directory.path().to_owned()])
        });
        let problems: Vec<String> = files.problems().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{problems:?}");
        let stages = properties["stages"]["items"]["enum"].as_array().unwrap();
        let known = stages
            .iter()
            .filter_map(|s| Stage::from_name(s.as_str().unwrap()));
        assert_eq!(known.count(), hook_model::Phase::ALL.len() + 1);
        assert_eq!(stages.len(), hook_model::Phase::ALL.len() + 1);
    }
}
