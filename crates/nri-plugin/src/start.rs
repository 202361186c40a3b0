//! Starts the plugin in one of its two forms.

use std::env;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::json;

use crate::cli::{Cli, PreInstalled};
use crate::injector::Injector;
use crate::log::{Log, Target};
use crate::process::Process;
use crate::session::Identity;
use crate::signals::Signals;
use crate::supervise::Surroundings;
use crate::sys;

/// Is the plugin, until a signal comes or the engine that started it goes. An error is in the log.
pub fn run(cli: Cli) -> ExitCode {
    // The descriptor is taken over before any other is opened, the signals are blocked before there are threads.
    let launched = launched();
    let signals = Signals::block();
    let target = match &launched {
        Ok(None) => Target::Stderr,
        Ok(Some(_)) | Err(_) => Target::Syslog,
    };
    let log = match Log::start(target.clone(), cli.options.log_format.unwrap_or_default()) {
        Ok(log) => Arc::new(log),
        Err(e) => {
            eprintln!("lxcri-nri: start the log: {e}");
            return ExitCode::FAILURE;
        }
    };
    let process = Process::new(log.clone(), target);
    let result = signals
        .context("block signals")
        .and_then(|signals| serve(cli, launched?, &signals, process));
    match &result {
        Ok(()) => log.info("stopped", &[]),
        Err(e) => {
            log.error("cannot go on", &[("reason", json!(format!("{e:#}")))]);
            if log.target() != Target::Stderr {
                eprintln!("lxcri-nri: {e:#}");
            }
        }
    }
    log.flush();
    if result.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What an engine has handed over if it has started the program.
fn launched() -> Result<Option<(Identity, UnixStream)>> {
    let Some(form) = PreInstalled::from_environment(|key| env::var(key).ok())? else {
        return Ok(None);
    };
    let stream = sys::inherited_socket(form.socket)
        .with_context(|| format!("take over NRI_PLUGIN_SOCKET={}", form.socket))?;
    Ok(Some((form.identity, stream)))
}

fn serve(
    cli: Cli,
    launched: Option<(Identity, UnixStream)>,
    signals: &Signals,
    process: Process,
) -> Result<()> {
    let (log, metrics) = (process.log.clone(), process.metrics.clone());
    let mut injector = Injector::start(cli.options, process)?;
    let (identity, stream) = match launched {
        Some((identity, stream)) => (identity, Some(stream)),
        None => {
            injector.report_sources();
            (cli.external.identity(), None)
        }
    };
    let surroundings = Surroundings {
        identity: &identity,
        signals,
        log: &log,
        metrics: &metrics,
    };
    match stream {
        Some(stream) => surroundings.serve(stream, &mut injector).map(drop),
        None => surroundings.serve_forever(&cli.external.socket, &mut injector),
    }
}
