//! One file per command; each prints and returns the exit status.

pub mod hooks;
pub mod list;
mod output;
pub mod state;

use anyhow::Result;

use crate::cli::{Cli, Command};
use crate::lifecycle::{create, delete, kill, run, start};
use crate::settings;

/// Carries out the command. Returns the exit status.
pub fn execute(cli: Cli) -> Result<i32> {
    let runtime = settings::runtime(&cli.global)?;
    match cli.command {
        Command::Create(options) => {
            let mut created = create::create(&runtime, settings::request(options)?)?;
            created.lxc.wait()?;
        }
        Command::Start(id) => start::start(&runtime, checked(&id.id)?)?,
        Command::State(id) => state::print(&runtime, checked(&id.id)?)?,
        Command::Kill(options) => {
            let signal = kill::parse_signal(&options.signal)?;
            kill::kill(&runtime, checked(&options.id)?, signal, options.all)?;
        }
        Command::Delete(options) => delete::delete(&runtime, checked(&options.id)?, options.force)?,
        Command::List(options) => list::print(&runtime, options.format, options.quiet)?,
        Command::Run(options) => {
            let request = settings::request(options.create)?;
            let options = run::Options {
                detach: options.detach,
                keep: options.keep,
            };
            return run::run(&runtime, request, options);
        }
        Command::Spec(options) => spec(&options.bundle)?,
        Command::Features => {
            output::print_json(&crate::features::features(&crate::mounts::known_options()))?
        }
        Command::Hooks(options) => hooks::print(&runtime, checked(&options.id)?, options.format)?,
        Command::Completions { shell } => {
            let mut command = <Cli as clap::CommandFactory>::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "lxcri", &mut script);
            output::print(&String::from_utf8_lossy(&script))?;
        }
    }
    Ok(0)
}

/// The id, if it is one. It becomes part of paths, so nothing else is done with an invalid one.
fn checked(id: &str) -> Result<&str> {
    crate::spec::validate_id(id)?;
    Ok(id)
}

fn spec(bundle: &std::path::Path) -> Result<()> {
    use anyhow::Context;
    use std::io::Write;
    let path = bundle.join(hook_tree::names::OCI_CONFIG);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .with_context(|| format!("create {}", path.display()))?;
    file.write_all(crate::spec::TEMPLATE.as_bytes())
        .with_context(|| format!("write {}", path.display()))
}
