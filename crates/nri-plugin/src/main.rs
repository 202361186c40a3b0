//! The program `lxcri-nri`: parses, chooses the form of the plugin, exits.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use nri_plugin::cli::{Cli, Command};
use nri_plugin::log::Log;
use nri_plugin::start;
use serde_json::json;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Completions { shell }) = cli.command {
        clap_complete::generate(
            shell,
            &mut Cli::command(),
            "lxcri-nri",
            &mut std::io::stdout(),
        );
        return ExitCode::SUCCESS;
    }
    let log = Arc::new(Log::default());
    match start::run(cli, &log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            log.error("cannot go on", &[("reason", json!(format!("{e:#}")))]);
            ExitCode::FAILURE
        }
    }
}
