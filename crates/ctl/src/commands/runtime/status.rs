//! `lxcri-ctl runtime status`: what an engine would really use, and what has been configured here.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use engine_config::{Answer, Found, Status, Store, Target, ask, containers_of};
use serde_json::{Value, json};

use super::{conflicts, target};
use crate::cli::Format;
use crate::cli::runtime::Status as Options;
use crate::output::{plain, print as print_text};

/// All that is reported.
struct Report {
    target: Target,
    status: Status,
    answer: Option<std::result::Result<Answer, String>>,
    /// The containers that live now, for each configured runtime.
    users: Vec<Vec<String>>,
}

/// Prints the report.
pub fn print(options: &Options) -> Result<()> {
    let store = Store::new(&options.files.state);
    let target = target(&options.files, &store)?;
    let status = Status::read(&store, &target)?;
    let report = Report {
        answer: ask(&target),
        users: status
            .configured
            .iter()
            .map(|r| containers_of(&r.path))
            .collect(),
        target,
        status,
    };
    match options.format {
        Format::Text => print_text(&report.text()),
        Format::Json => print_text(&format!("{:#}\n", report.json())),
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).unwrap_or_default();
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let effective = &self.status.effective;
        writeln!(text, "engine   {}", self.target.engine)?;
        for (i, file) in effective.files.iter().enumerate() {
            writeln!(
                text,
                "{} {}",
                if i == 0 { "files   " } else { "        " },
                file.display()
            )?;
        }
        if effective.files.is_empty() {
            writeln!(
                text,
                "files    none; {} is not there",
                self.target.config.display()
            )?;
        }
        match &effective.default {
            Some(found) => writeln!(
                text,
                "default  {}, says {}",
                found.value,
                found.file.display()
            )?,
            None => writeln!(text, "default  {}, built in", self.built_in())?,
        }
        for (name, found) in &effective.runtimes {
            writeln!(
                text,
                "runtime  {name}: {}, says {}",
                found.value,
                found.file.display()
            )?;
        }
        for (runtime, users) in self.status.configured.iter().zip(&self.users) {
            let default = if runtime.default { ", as default" } else { "" };
            writeln!(
                text,
                "ours     {}: {}{default}",
                runtime.name,
                runtime.path.display()
            )?;
            if !users.is_empty() {
                let users = plain(&users.join(", "));
                writeln!(text, "in use   {}: {users}", runtime.name)?;
            }
        }
        match &self.answer {
            Some(Ok(answer)) => {
                let default = answer.default.as_deref().unwrap_or("none");
                let runtimes = answer.runtimes.join(", ");
                writeln!(
                    text,
                    "answer   default {default}, runtimes {runtimes} ({})",
                    answer.command
                )?;
            }
            Some(Err(reason)) => writeln!(text, "answer   none: {reason}")?,
            None => {}
        }
        for warning in self.warnings() {
            writeln!(text, "warning  {}", plain(&warning))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let found = |found: &Found| json!({"value": found.value, "file": found.file});
        let effective = &self.status.effective;
        let runtimes: serde_json::Map<String, Value> = effective
            .runtimes
            .iter()
            .map(|(name, f)| (name.clone(), found(f)))
            .collect();
        let configured = self.status.configured.iter().zip(&self.users);
        let configured: Vec<Value> = configured
            .map(|(r, users)| {
                json!({"name": r.name, "path": r.path, "default": r.default, "containers": users})
            })
            .collect();
        let answer = self.answer.as_ref().map(|answer| match answer {
            Ok(a) => json!({"command": a.command, "default": a.default, "runtimes": a.runtimes}),
            Err(reason) => json!({"error": reason}),
        });
        json!({
            "engine": self.target.engine.name(),
            "config": self.target.config,
            "dropIn": self.target.drop_in,
            "files": effective.files,
            "default": effective.default.as_ref().map(found),
            "builtInDefault": self.target.engine.built_in_default(),
            "runtimes": runtimes,
            "configured": configured,
            "answer": answer,
            "warnings": self.warnings(),
        })
    }

    fn built_in(&self) -> &'static str {
        self.target
            .engine
            .built_in_default()
            .unwrap_or("the engine's")
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.status.effective.warnings.clone();
        let engine = self.target.engine;
        if self.status.outdated {
            warnings.push("files have changed since they were configured: configure again".into());
        }
        if let (Some(Ok(answer)), Some(found)) = (&self.answer, &self.status.effective.default)
            && answer.default.as_ref().is_some_and(|d| *d != found.value)
        {
            warnings.push(format!(
                "{engine} says that its default is {}: it has not read its files again, or has options that go before them",
                answer.default.as_deref().unwrap_or_default()
            ));
        }
        warnings.extend(conflicts(engine));
        for runtime in &self.status.configured {
            let found = self.status.effective.runtimes.get(&runtime.name);
            if found.is_none_or(|found| Path::new(&found.value) != runtime.path) {
                warnings.push(format!(
                    "{engine} does not take {} from us: another file goes before ours",
                    runtime.name
                ));
            }
            if !runtime.path.is_file() {
                warnings.push(format!("{} does not exist", runtime.path.display()));
            }
        }
        warnings
    }
}
