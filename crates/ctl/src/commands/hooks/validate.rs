//! `lxcri-ctl hooks validate`: all that is wrong with hook files, at once.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use engine_config::file;
use hook_model::Phase;
use hooks_d::{FileProblem, Place, Severity, Source, Stage, load};
use serde_json::{Value, json};

use super::{absolute, settings, sources};
use crate::cli::Format;
use crate::cli::hooks::Validate;
use crate::output::print;

/// What was found.
#[derive(Default)]
struct Report {
    files: usize,
    problems: Vec<FileProblem>,
}

/// Checks and reports. The status says whether all is well.
pub fn execute(options: &Validate) -> Result<ExitCode> {
    let mut report = Report::default();
    if options.paths.is_empty() {
        report.check(&settings(&options.sources)?.sources);
    }
    for path in &options.paths {
        report.path(path, options.sources.any_owner)?;
    }
    report.problems.sort();
    report.problems.dedup();
    match options.format {
        Format::Text => print(&report.text())?,
        Format::Json => print(&format!("{:#}\n", report.json()))?,
    }
    let worst = report.problems.iter().map(|p| p.severity).min();
    Ok(match worst {
        Some(Severity::Error) => ExitCode::FAILURE,
        Some(Severity::Warning) if options.strict => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

impl Report {
    fn check(&mut self, sources: &hooks_d::Sources) {
        let files = load(sources);
        self.files += files.files().len();
        self.problems.extend(files.problems().cloned());
    }

    /// Checks a directory, or one file. Unlike a directory that is configured, one that is named here has to exist.
    fn path(&mut self, path: &Path, any_owner: bool) -> Result<()> {
        let path = absolute(path)?;
        if path.is_dir() {
            self.check(&sources(vec![Source::Dir(path)], any_owner));
        } else if !path.exists() {
            self.wrong(path, "does not exist");
        } else if is_hooks_json(&path) {
            self.check(&sources(vec![Source::HooksJson(path)], any_owner));
        } else {
            self.one_file(path, any_owner);
        }
        Ok(())
    }

    /// A file of a directory is judged as a part of that: its name and whoever can write to the directory count.
    fn one_file(&mut self, path: PathBuf, any_owner: bool) {
        let Some(directory) = path.parent() else {
            return;
        };
        let files = load(&sources(vec![Source::Dir(directory.to_owned())], any_owner));
        let about = |p: &&FileProblem| p.file == path || p.file == directory;
        let problems: Vec<_> = files.problems().filter(about).cloned().collect();
        let found = files.files().iter().any(|file| file.path() == path);
        self.files += usize::from(found);
        if !found && problems.is_empty() {
            self.wrong(path, "is no hook file: the name does not end in .json");
            return;
        }
        self.problems.extend(problems);
    }

    fn wrong(&mut self, file: PathBuf, reason: &str) {
        self.problems.push(FileProblem {
            file,
            place: Place::File,
            reason: reason.to_owned(),
            severity: Severity::Error,
        });
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            text += &format!("{}: {problem}\n", severity(problem));
        }
        let count = |wanted| {
            let wanted = self.problems.iter().filter(|p| p.severity == wanted);
            wanted.count()
        };
        let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        text + &format!(
            "{}, {}, {}\n",
            counted(self.files, "file"),
            counted(count(Severity::Error), "error"),
            counted(count(Severity::Warning), "warning"),
        )
    }

    fn json(&self) -> Value {
        let problems: Vec<Value> = self.problems.iter().map(problem).collect();
        json!({"files": self.files, "problems": problems})
    }
}

fn severity(problem: &FileProblem) -> &'static str {
    match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn problem(problem: &FileProblem) -> Value {
    let mut value = json!({
        "file": problem.file,
        "severity": severity(problem),
        "reason": problem.reason,
    });
    match &problem.place {
        Place::File => {}
        Place::Line { line, column } => {
            value["line"] = json!(line);
            value["column"] = json!(column);
        }
        Place::Pointer(pointer) => value["pointer"] = json!(pointer),
    }
    value
}

/// A file of a directory has the key `hook`. A hooks.json has stages, or `hooks`, and no such key.
fn is_hooks_json(path: &Path) -> bool {
    let text = file::read(path).ok().flatten().unwrap_or_default();
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(object) = value.as_object() else {
        return false;
    };
    // In any case, as when it is loaded.
    let stages = Phase::ALL.into_iter().map(Stage::Phase);
    let names: Vec<&str> = stages
        .chain([Stage::Precreate])
        .map(|stage| stage.name())
        .chain(["hooks"])
        .collect();
    let is_one = |key: &String| names.iter().any(|name| name.eq_ignore_ascii_case(key));
    !object.keys().any(|key| key.eq_ignore_ascii_case("hook")) && object.keys().any(is_one)
}
