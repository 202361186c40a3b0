//! `lxcri-ctl hooks`: validate, list, explain, inject.

mod explain;
mod inject;
mod list;
mod validate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::inject::bundle::SIZE_LIMIT;
use ::inject::settings::Settings;
use anyhow::{Context, Result};
use engine_config::file;
use hooks_d::{Access, OnError, Source, Sources};

use crate::cli::hooks::{self as cli, Command};

/// Carries out the command.
pub fn execute(command: Command) -> Result<ExitCode> {
    match command {
        Command::Validate(options) => return validate::execute(&options),
        Command::List(options) => list::print(&options)?,
        Command::Explain(options) => explain::print(&options)?,
        Command::Inject(options) => inject::execute(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The sources that were named, or else those of lxcri-inject: its file and its variables.
fn settings(named: &cli::Sources) -> Result<Settings> {
    if named.dirs.is_empty() && named.json.is_none() {
        let mut settings = Settings::load(|name| std::env::var_os(name))?;
        if named.any_owner {
            settings.sources.access = Access::Anyone;
        }
        return Ok(settings);
    }
    let dirs = named.dirs.iter().map(|dir| absolute(dir).map(Source::Dir));
    let json = named.json.iter();
    let json = json.map(|file| absolute(file).map(Source::HooksJson));
    let list: Result<Vec<Source>> = dirs.chain(json).collect();
    Ok(Settings {
        runtimes: Vec::new(),
        sources: sources(list?, named.any_owner),
        fsync: false,
    })
}

fn sources(list: Vec<Source>, any_owner: bool) -> Sources {
    let access = if any_owner {
        Access::Anyone
    } else {
        Access::RootOnly
    };
    Sources {
        list: list.into_iter().map(|s| (s, OnError::Fail)).collect(),
        access,
        host_root: None,
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("find {}", path.display()))
}

/// A config.json, wherever it is: a regular file of a size that lxcri-inject takes.
fn read(config: &Path) -> Result<Vec<u8>> {
    let text = file::read_up_to(config, SIZE_LIMIT)?;
    let text = text.with_context(|| format!("{}: does not exist", config.display()))?;
    Ok(text.into_bytes())
}
