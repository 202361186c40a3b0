//! `hooks`: which hooks of a container ran, when, how long and with which result.

use std::io::IsTerminal;

use anyhow::Result;
use hook_tree::names;

use super::output;
use crate::cli::TableFormat;
use crate::records;
use crate::request::Runtime;
use crate::store::Container;

/// Prints the report.
pub fn print(runtime: &Runtime, id: &str, format: TableFormat) -> Result<()> {
    let container = Container::at(&runtime.root, id);
    container.must_exist()?;
    let records = records::read(&container.file(names::HOOKS_LOG))?;
    match format {
        TableFormat::Json => output::print_json(&records),
        TableFormat::Table => {
            let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let options = crate::hooks_report::Options {
                colour,
                ..Default::default()
            };
            output::print(&crate::hooks_report::render(&records, &options))
        }
    }
}
