//! Asking engines which runtimes they use.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::document::parse;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::plan::effective;
use crate::program::{is_installed, output, shown};
use crate::target::Target;
use crate::view::View;

/// An engine that does not answer in this time is as good as one that does not run.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The command that was asked.
    pub command: String,
    /// The default runtime that it names.
    pub default: Option<String>,
    /// The runtimes that it names.
    pub runtimes: Vec<String>,
}

/// Asks the engine which runtimes it uses. `None` when there is nothing to ask: the program is not installed, or the
/// configuration file is not that of the daemon.
///
/// # Errors
/// What the program said when it failed, for example because its daemon does not run.
pub fn ask(target: &Target) -> Option<std::result::Result<Answer, String>> {
    let is_usual = target.named == target.engine.default_config();
    let (name, args): (_, &[&str]) = match target.engine {
        Engine::Containerd => ("containerd", &["config", "dump"]),
        _ if !is_usual => return None,
        Engine::Docker => ("docker", &["info", "--format", "{{json .}}"]),
        Engine::Crio => ("crio", &["status", "config"]),
        Engine::Podman => ("podman", &["info", "--format", "json"]),
    };
    if !is_installed(name) {
        return None;
    }
    let mut command = Command::new(name);
    if target.engine == Engine::Containerd {
        command.arg("--config").arg(&target.named);
    }
    command.args(args);
    let shown = shown(&command);
    let answer = output(&mut command, PATIENCE)
        .and_then(|text| understand(target, &shown, &text).map_err(|e| e.to_string()));
    Some(answer.map_err(|reason| format!("{shown}: {reason}")))
}

/// The major version of the containerd that is installed.
pub fn containerd_major() -> Option<u32> {
    let text = output(Command::new("containerd").arg("--version"), PATIENCE).ok()?;
    let version = text.split_whitespace().nth(2)?;
    version
        .trim_start_matches('v')
        .split('.')
        .next()?
        .parse()
        .ok()
}

fn understand(target: &Target, command: &str, text: &str) -> Result<Answer> {
    let (default, runtimes) = match target.engine {
        Engine::Docker => docker(&json(text)?),
        Engine::Podman => {
            let info = json(text)?;
            let name = info
                .pointer("/host/ociRuntime/name")
                .and_then(Value::as_str);
            let name = name.map(str::to_owned);
            (name.clone(), name.into_iter().collect())
        }
        Engine::Containerd | Engine::Crio => toml(target, text)?,
    };
    Ok(Answer {
        command: command.to_owned(),
        default,
        runtimes,
    })
}

fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|e| Error::Engine(e.to_string()))
}

/// `docker info` without a daemon still succeeds; it names no runtimes then.
fn docker(info: &Value) -> (Option<String>, Vec<String>) {
    let default = info["DefaultRuntime"]
        .as_str()
        .filter(|name| !name.is_empty());
    let runtimes = info["Runtimes"].as_object();
    let names = runtimes.map(|r| r.keys().cloned().collect());
    (default.map(str::to_owned), names.unwrap_or_default())
}

/// The answer is a whole configuration, so it is read like one; only what it once imported is part of it already.
fn toml(target: &Target, text: &str) -> Result<(Option<String>, Vec<String>)> {
    let place = Path::new("/answer/config.toml");
    let mut document = parse(place, text)?;
    document.remove("imports");
    let mut view = View::default();
    view.put(place, Some(document.to_string()));
    let target = Target {
        config: place.to_owned(),
        named: place.to_owned(),
        ..target.clone()
    };
    let effective = effective(&target, &view)?;
    let default = effective.default.map(|found| found.value);
    Ok((default, effective.runtimes.into_keys().collect()))
}
