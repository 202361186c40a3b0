//! One file for each command; each prints, and returns the exit status.

mod config;
mod hooks;
mod install;
mod runtime;
mod schema;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::{Cli, Command};
use crate::output::print;

/// Carries out the command.
pub fn execute(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Runtime(command) => runtime::execute(command),
        Command::Hooks(command) => hooks::execute(command),
        Command::Config(command) => config::execute(command),
        Command::Install(options) => install::install(&options),
        Command::Uninstall(options) => install::uninstall(&options),
        Command::Schema(options) => schema::execute(&options),
        Command::Completions { shell } => {
            let mut command = <Cli as clap::CommandFactory>::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "lxcri-ctl", &mut script);
            print(&String::from_utf8_lossy(&script))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
