//! `lxcri-ctl runtime`: configure, unconfigure, status.

mod change;
mod status;

use std::process::ExitCode;

use anyhow::Result;
use engine_config::{Engine, Store, Target, conflicting_options, containerd_major};

use crate::cli::runtime::{self as cli, Command};

/// Carries out the command.
pub fn execute(command: Command) -> Result<ExitCode> {
    match command {
        Command::Configure(options) => change::configure(&options)?,
        Command::Unconfigure(options) => change::unconfigure(&options)?,
        Command::Status(options) => status::print(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The files that are meant.
fn target(files: &cli::Files, store: &Store) -> Result<Target> {
    let engine = match files.engine {
        cli::Engine::Docker => Engine::Docker,
        cli::Engine::Containerd => Engine::Containerd,
        cli::Engine::Crio => Engine::Crio,
        cli::Engine::Podman => Engine::Podman,
    };
    let mut target = Target::new(
        store,
        engine,
        files.config.as_deref(),
        files.drop_in.as_deref(),
    )?;
    if engine == Engine::Containerd {
        target.containerd_major = containerd_major();
    }
    Ok(target)
}

/// What a running daemon has on its command line and would not start with when its file says it, too.
fn conflicts(engine: Engine) -> Option<String> {
    let options = conflicting_options(engine);
    (!options.is_empty()).then(|| {
        let options = options.join(" and ");
        format!("dockerd runs with {options}: it does not start when its file has runtimes as well")
    })
}
