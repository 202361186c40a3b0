//! The command `lxcri-watch`: parses, watches, prints, exits.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};
use watch::cli::{Cli, Command};
use watch::settings::Settings;
use watch::supervisor;

/// Exit status after wrong usage, as clap has it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Completions { shell }) = cli.command {
        return end(completions(shell), ExitCode::FAILURE);
    }
    match cli.watch.settings() {
        Ok(settings) => end(run(settings), ExitCode::FAILURE),
        Err(error) => end(Err(error), ExitCode::from(USAGE)),
    }
}

fn end(result: Result<()>, failure: ExitCode) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lxcri-watch: {error:#}");
            failure
        }
    }
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lxcri-watch", &mut script);
    std::io::stdout()
        .write_all(&script)
        .context("write to stdout")
}

fn run(settings: Settings) -> Result<()> {
    watch::supported()?;
    supervisor::run(settings)?;
    Ok(())
}
