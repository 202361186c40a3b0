//! The command `lxcri-watch`: parses, watches, prints, exits.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use watch::cli::{Cli, Command};
use watch::supervisor;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lxcri-watch: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    if let Some(Command::Completions { shell }) = cli.command {
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        clap_complete::generate(shell, &mut command, name, &mut std::io::stdout());
        return Ok(());
    }
    let settings = cli.watch.settings()?;
    watch::supported()?;
    supervisor::run(settings)?;
    Ok(())
}
