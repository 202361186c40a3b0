//! `lxcri-ctl hooks explain`: which hooks a container gets, and why.

use anyhow::{Context, Result};
use hooks_d::{Combine, Explanation, Judgement, Selected, Selection, load};
use inject::create::container;
use serde_json::{Value, json};

use super::{read, settings};
use crate::cli::Format;
use crate::cli::hooks::Explain;
use crate::output::{plain, print as print_text, warn};

/// Prints the explanation. With bad files it still is one, of what the good ones do.
pub fn print(options: &Explain) -> Result<()> {
    let files = load(&settings(&options.sources)?.sources);
    let container =
        container(&read(&options.config)?).with_context(|| options.config.display().to_string())?;
    let explanations = files.explain(&container);
    let selection = files.select(&container);
    let verdict = files.verdict();
    match options.format {
        Format::Text => print_text(&text(&explanations, &selection))?,
        Format::Json => print_text(&format!("{:#}\n", to_json(&explanations, &selection)))?,
    }
    if let Err(broken) = verdict {
        warn(&format!("no container would be created: {broken}"));
    }
    Ok(())
}

fn text(explanations: &[Explanation], selection: &Selection) -> String {
    let mut text = String::new();
    for file in explanations {
        let all = match file.combine {
            Combine::Any if file.conditions.len() > 1 => ", one condition is enough",
            _ => "",
        };
        let path = file.file.to_string_lossy();
        text += &format!("{}: {}{all}\n", plain(&path), file.outcome);
        for Judgement {
            condition,
            holds,
            why,
        } in &file.conditions
        {
            let sign = match holds {
                Some(true) => "yes",
                Some(false) => "no",
                None => "skipped",
            };
            text += &format!("    {sign:7} {condition}: {why}\n");
        }
    }
    text += "hooks, in this order:\n";
    let all = numbered(selection);
    for (stage, number, selected) in &all {
        let (path, file) = (selected.hook.path_str(), selected.file.to_string_lossy());
        text += &format!(
            "    {stage} #{number} {} ({})\n",
            plain(&path),
            plain(&file)
        );
    }
    if all.is_empty() {
        text += "    none\n";
    }
    text
}

/// The hooks as they run: stage after stage, each with its number in its stage, from 1.
fn numbered(selection: &Selection) -> Vec<(&'static str, usize, &Selected)> {
    let precreate = selection.precreate.iter().enumerate();
    let mut all: Vec<_> = precreate.map(|(i, s)| ("precreate", i + 1, s)).collect();
    for phase in hook_model::Phase::ALL {
        let of_phase = selection.hooks.iter().filter(|s| s.phase == phase);
        all.extend(
            of_phase
                .enumerate()
                .map(|(i, s)| (phase.oci_name(), i + 1, s)),
        );
    }
    all
}

fn to_json(explanations: &[Explanation], selection: &Selection) -> Value {
    let files: Vec<Value> = explanations.iter().map(file_json).collect();
    let hooks: Vec<Value> = numbered(selection)
        .into_iter()
        .map(|(stage, number, s)| {
            json!({"stage": stage, "number": number, "path": s.hook.path_str(), "file": s.file})
        })
        .collect();
    json!({"files": files, "hooks": hooks})
}

fn file_json(file: &Explanation) -> Value {
    let conditions = file.conditions.iter();
    let conditions: Vec<Value> = conditions
        .map(|c| json!({"condition": c.condition, "holds": c.holds, "why": c.why}))
        .collect();
    json!({
        "file": file.file,
        "outcome": file.outcome.to_string(),
        "combine": match file.combine { Combine::All => "all", Combine::Any => "any" },
        "conditions": conditions,
    })
}
