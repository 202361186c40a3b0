//! Hooks that stand in files of their own, for a container that is created: hooks.d directories and hooks.json.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hooks_d::{OnError, Source, Sources, precreate};

use crate::configuration::Configuration;
use crate::pins::Pins;
use crate::spec::{self, LoadedSpec};

/// Where hooks are looked for: the directories that were asked for, or else those of the configuration.
pub fn sources(asked: &[PathBuf], configuration: &Configuration) -> Sources {
    let dirs = if asked.is_empty() {
        &configuration.hooks_dirs
    } else {
        asked
    };
    // The usual directories are often missing; one that was named on the command line is a mistake.
    for dir in asked.iter().filter(|dir| !dir.exists()) {
        log::warn!("--hooks-dir {}: does not exist", dir.display());
    }
    let dirs = dirs.iter().cloned().map(Source::Dir);
    let hooks_json = configuration.hooks_json.clone().map(Source::HooksJson);
    let on_error = OnError::from(configuration.hooks_on_error);
    Sources {
        list: dirs
            .chain(hooks_json)
            .map(|source| (source, on_error))
            .collect(),
        ..Sources::default()
    }
}

/// Loads a bundle and adds the hooks of the sources that are for its container, after its own. precreate hooks have had
/// their say then, and what is pinned has been compared with its pin.
pub fn load(bundle: &Path, sources: &Sources) -> Result<(LoadedSpec, Pins)> {
    if sources.list.is_empty() {
        return Ok((spec::load(bundle)?, Pins::default()));
    }
    let files = hooks_d::load(sources);
    files.verdict()?;
    for problem in files.problems() {
        log::warn!("{problem}");
    }
    let content = spec::read(bundle)?;
    let file = bundle.join(spec::CONFIG_FILE);
    let mut loaded = spec::parse(&content, &file)?;
    let container = hooks_d::Container::from_config(&content)
        .with_context(|| format!("bundle {}", bundle.display()))?;
    let selection = files.select(&container);
    let pins = Pins::check(&selection.hooks)?;
    for selected in selection.hooks {
        loaded.add_hook(selected.phase, selected.hook);
    }
    if !selection.precreate.is_empty() {
        let spec = serde_json::to_vec(&loaded.raw)?;
        let output = precreate::run(&selection.precreate, spec, bundle)?;
        let file = PathBuf::from(format!("{} after its precreate hooks", file.display()));
        loaded = spec::parse(&output, &file)?;
    }
    Ok((loaded, pins))
}
