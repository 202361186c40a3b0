//! `lxcri-ctl hooks inject`: what lxcri-inject does to a bundle, by hand.

use std::path::Path;

use anyhow::{Result, bail};
use engine_config::Change;
use hooks_d::load;
use inject::bundle::CONFIG_FILE;
use inject::create::{prepare, preview};
use inject::settings::Settings;

use super::{absolute, read, settings};
use crate::cli::hooks::Inject;
use crate::output::{print, warn};

/// Injects, or shows what that would change.
pub fn execute(options: &Inject) -> Result<()> {
    let config = absolute(&options.config)?;
    let settings = settings(&options.sources)?;
    if options.dry_run {
        return show(&config, &settings);
    }
    let (Some(bundle), true) = (config.parent(), config.ends_with(CONFIG_FILE)) else {
        bail!("{}: not the {CONFIG_FILE} of a bundle", config.display());
    };
    let before = read(&config)?;
    for problem in prepare(&settings, bundle)? {
        warn(&problem.to_string());
    }
    if read(&config)? == before {
        return print("nothing to change\n");
    }
    print(&format!("changed {}\n", config.display()))
}

/// Prints the difference. Nothing is run, so what precreate hooks would change is not part of it.
fn show(config: &Path, settings: &Settings) -> Result<()> {
    let files = load(&settings.sources);
    files.verdict()?;
    let before = read(config)?;
    let injected = preview(&files, &settings.source(), config, &before)?;
    if !injected.precreate.is_empty() {
        warn("precreate hooks are not run here, so their changes are not shown");
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let change = Change {
        path: config.to_owned(),
        before: Some(text(&before)),
        after: Some(text(&injected.content)),
    };
    print(&change.diff())
}
