//! The command `lxcri`: parses, dispatches, prints, exits.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use lxcri_runtime::cli::{Cli, LogLevel};
use lxcri_runtime::errors::one_line;
use lxcri_runtime::{commands, logging, startup};

fn main() -> ExitCode {
    if let Err(e) = startup::prepare() {
        eprintln!("lxcri: {}", one_line(&e));
        return ExitCode::FAILURE;
    }
    let cli = Cli::of_command_line();
    let level = if cli.global.debug {
        LogLevel::Debug
    } else {
        cli.global.log_level
    };
    if let Err(e) = logging::init(cli.global.log.as_deref(), cli.global.log_format, level) {
        eprintln!("lxcri: {}", one_line(&e));
        return ExitCode::FAILURE;
    }
    match commands::execute(cli) {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)),
        Err(e) => {
            log::error!("{}", one_line(&e));
            ExitCode::FAILURE
        }
    }
}
