//! The program `lxcri-nri`: parses, runs, exits.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use nri_plugin::cli::{Cli, Command};
use nri_plugin::start;

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
    start::run(cli)
}
