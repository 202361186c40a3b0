//! `lxcri-ctl hooks list`: the hook files in the order in which their hooks run.

use anyhow::Result;
use hooks_d::{Content, Definition, HookFile, HookFiles, load};
use serde_json::{Value, json};

use super::settings;
use crate::cli::Format;
use crate::cli::hooks::List;
use crate::output::{plain, print as print_text};

/// Prints the list.
pub fn print(options: &List) -> Result<()> {
    let files = load(&settings(&options.sources)?.sources);
    match options.format {
        Format::Text => print_text(&text(&files)),
        Format::Json => {
            let list: Vec<Value> = files.files().iter().map(file_json).collect();
            print_text(&format!("{:#}\n", json!(list)))
        }
    }
}

fn text(files: &HookFiles) -> String {
    let mut text = String::new();
    for file in files.files() {
        let path = file.path().to_string_lossy();
        text += &format!("{}{}\n", plain(&path), note(file));
        for overridden in file.overrides() {
            let path = overridden.to_string_lossy();
            text += &format!("    instead of {}\n", plain(&path));
        }
        for definition in file.definitions() {
            let command = definition.hook.path_str().into_owned();
            text += &format!(
                "    {}: {}\n",
                stages(definition).join(", "),
                plain(&command)
            );
            for condition in &definition.when.conditions {
                text += &format!("        when {condition}\n");
            }
        }
    }
    if text.is_empty() {
        text = "no hook files\n".to_owned();
    }
    text
}

fn note(file: &HookFile) -> &'static str {
    match file.content() {
        Content::Good(_) => "",
        Content::Disabled => " (disabled)",
        Content::Bad => " (bad: see `lxcri-ctl hooks validate`)",
    }
}

fn stages(definition: &Definition) -> Vec<&'static str> {
    definition.stages.iter().map(|s| s.name()).collect()
}

fn file_json(file: &HookFile) -> Value {
    let state = match file.content() {
        Content::Good(_) => "good",
        Content::Disabled => "disabled",
        Content::Bad => "bad",
    };
    let hooks: Vec<Value> = file.definitions().iter().map(definition_json).collect();
    json!({
        "file": file.path(),
        "state": state,
        "overrides": file.overrides(),
        "hooks": hooks,
    })
}

fn definition_json(definition: &Definition) -> Value {
    let hook = &definition.hook;
    let when = definition.when.conditions.iter().map(ToString::to_string);
    json!({
        "path": hook.path_str(),
        "args": hook.args,
        "env": hook.env,
        "timeout": hook.timeout,
        "stages": stages(definition),
        "when": when.collect::<Vec<_>>(),
        "sha256": definition.sha256.map(|digest| digest.to_string()),
    })
}
