//! The program `lxcri-nri`: parses, runs, exits.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use nri_plugin::cli::{Cli, Command};
use nri_plugin::start;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Completions { shell }) = cli.command {
        return completions(shell);
    }
    if let Err(e) = cli.options.sources() {
        Cli::command().error(ErrorKind::ValueValidation, e).exit();
    }
    start::run(cli)
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lxcri-nri", &mut script);
    match std::io::stdout().write_all(&script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("lxcri-nri: write to stdout: {e}");
            ExitCode::FAILURE
        }
    }
}
