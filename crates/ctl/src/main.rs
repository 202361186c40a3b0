//! The command `lxcri-ctl`: parses, dispatches, prints, exits.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod errors;
mod output;
mod settings;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::execute(cli) {
        Ok(status) => status,
        Err(e) => {
            eprintln!("lxcri-ctl: {}", errors::one_line(&e));
            ExitCode::FAILURE
        }
    }
}
