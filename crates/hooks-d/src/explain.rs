//! Why a container gets the hooks of a file, or does not.

use std::fmt;
use std::path::PathBuf;

use crate::condition::{Answer, Combine, Condition};
use crate::container::Container;
use crate::files::{Content, HookFile, HookFiles};
use crate::pattern::Pattern;

/// What becomes of a file for a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its conditions hold.
    Matched,
    /// Its conditions do not hold.
    NotMatched,
    /// It is empty or a link to the null device.
    Disabled,
    /// It cannot be used.
    Bad,
}

/// One file and a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The file.
    pub file: PathBuf,
    /// What becomes of it.
    pub outcome: Outcome,
    /// Whether all of the conditions have to hold or one of them.
    pub combine: Combine,
    /// Each condition. All of a hooks.json's hooks have the same.
    pub conditions: Vec<Judgement>,
}

/// One condition and a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The condition, such as `annotation "^gpu$": "true"`.
    pub condition: String,
    /// Whether it holds; `None` when there is nothing to apply it to.
    pub holds: Option<bool>,
    /// Why, such as `"sh" matches none of the patterns`.
    pub why: String,
}

impl HookFiles {
    /// What becomes of each file, in the order in which their hooks run, and why.
    pub fn explain(&self, container: &Container) -> Vec<Explanation> {
        let files = self.files().iter();
        files.map(|file| explain(file, container)).collect()
    }
}

fn explain(file: &HookFile, container: &Container) -> Explanation {
    let when = file.definitions().first().map(|first| &first.when);
    let outcome = match file.content() {
        Content::Disabled => Outcome::Disabled,
        Content::Bad => Outcome::Bad,
        Content::Good(_) if when.is_some_and(|when| when.matches(container)) => Outcome::Matched,
        Content::Good(_) => Outcome::NotMatched,
    };
    let conditions = when.iter().flat_map(|when| &when.conditions);
    Explanation {
        file: file.path().to_owned(),
        outcome,
        combine: when.map_or(Combine::All, |when| when.combine),
        conditions: conditions.map(|c| judge(c, container)).collect(),
    }
}

fn judge(condition: &Condition, container: &Container) -> Judgement {
    Judgement {
        condition: condition.to_string(),
        holds: match condition.answer(container) {
            Answer::Holds => Some(true),
            Answer::Fails => Some(false),
            Answer::Skipped => None,
        },
        why: why(condition, container),
    }
}

fn why(condition: &Condition, container: &Container) -> String {
    match condition {
        Condition::Always(true) => "it is for every container".to_owned(),
        Condition::Always(false) | Condition::HasBindMounts(false) => {
            "false holds for no container".to_owned()
        }
        Condition::HasBindMounts(true) if container.has_bind_mounts => {
            "there is a bind mount".to_owned()
        }
        Condition::HasBindMounts(true) => "there is no bind mount".to_owned(),
        Condition::Annotation { key, value } => why_annotation(key, value, container),
        Condition::Commands(patterns) => why_command(patterns, container),
    }
}

fn why_annotation(key: &Pattern, value: &Pattern, container: &Container) -> String {
    let mut candidates = container
        .annotations
        .iter()
        .filter(|(k, _)| key.is_match(k));
    let Some(first) = candidates.clone().next() else {
        return "no annotation has such a key".to_owned();
    };
    match candidates.find(|(_, v)| value.is_match(v)) {
        Some((k, v)) => format!("{k:?}: {v:?} matches"),
        None => format!("{:?}: {:?} has another value", first.0, first.1),
    }
}

fn why_command(patterns: &[Pattern], container: &Container) -> String {
    let Some(args) = &container.args else {
        return "there is no process".to_owned();
    };
    let Some(command) = args.first() else {
        return "the process has no arguments".to_owned();
    };
    match patterns.iter().find(|pattern| pattern.is_match(command)) {
        Some(pattern) => format!("{command:?} matches {:?}", pattern.as_str()),
        None => format!("{command:?} matches none of the patterns"),
    }
}

impl fmt::Display for Condition {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Always(always) => write!(f, "always: {always}"),
            Condition::HasBindMounts(wanted) => write!(f, "hasBindMounts: {wanted}"),
            Condition::Annotation { key, value } => {
                write!(f, "annotation {:?}: {:?}", key.as_str(), value.as_str())
            }
            Condition::Commands(patterns) => {
                let texts: Vec<&str> = patterns.iter().map(Pattern::as_str).collect();
                write!(f, "commands: {texts:?}")
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Matched => "matched",
            Outcome::NotMatched => "not matched",
            Outcome::Disabled => "disabled",
            Outcome::Bad => "bad",
        })
    }
}
