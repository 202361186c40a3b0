//! `hooks`: which hooks of a container ran, when, how long and with which result.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use anyhow::{Result, bail};
use hook_model::Record;
use hook_tree::names;

use super::output;
use crate::cli::TableFormat;
use crate::request::Runtime;
use crate::store::Container;
use crate::{configuration, records, sys};

/// Prints the report.
pub fn print(runtime: &Runtime, id: &str, format: TableFormat) -> Result<()> {
    let container = Container::at(&runtime.root, id);
    let records = match container.exists() {
        true => records::read(&container.file(names::HOOKS_LOG))?,
        false => of_the_past(runtime, &container)?,
    };
    match format {
        TableFormat::Json => output::print_json(&records),
        TableFormat::Table => {
            let stdout = std::io::stdout();
            let terminal = stdout.is_terminal();
            let mut options = crate::hooks_report::Options {
                colour: terminal && std::env::var_os("NO_COLOR").is_none(),
                ..Default::default()
            };
            // A terminal that does not know its size has 0 columns.
            if let (true, Ok((_, columns @ 1..))) = (terminal, sys::window_size(stdout.as_fd())) {
                options.width = columns.into();
            }
            output::print(&crate::hooks_report::render(&records, &options))
        }
    }
}

/// What the file of `--hooks-log` has of a container that is gone: a hook that fails takes its container with it.
fn of_the_past(runtime: &Runtime, container: &Container) -> Result<Vec<Record>> {
    let configured = configuration::load(runtime.config.as_deref())?.hooks_log;
    let Some(log) = runtime.hooks_log.clone().or(configured) else {
        container.must_exist()?;
        return Ok(Vec::new());
    };
    let records = records::read_shared(&log, &container.id)?;
    if records.is_empty() {
        bail!(
            "container {} does not exist, and {} has no hook of it",
            container.id,
            log.display()
        );
    }
    Ok(records)
}
