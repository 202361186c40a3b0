//! Starts the plugin in one of its two forms.

use std::env;
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

/// Is the plugin, until a signal comes or the engine that started it goes.
pub fn run(cli: Cli, log: &Arc<Log>) -> Result<()> {
    match PreInstalled::from_environment(|key| env::var(key).ok()) {
        Ok(None) => external(cli, log),
        Ok(Some(form)) => {
            log.redirect(Target::Syslog, cli.options.log_format.unwrap_or_default());
            pre_installed(cli, form, log)
        }
        Err(e) => Err(e),
    }
}

fn external(cli: Cli, log: &Arc<Log>) -> Result<()> {
    let identity = Identity {
        name: cli.external.name,
        index: cli.external.idx,
    };
    let signals = Signals::block().context("block signals")?;
    let mut injector = Injector::start(cli.options, Process::new(log.clone(), Target::Stderr))?;
    let metrics = injector.metrics().clone();
    let surroundings = Surroundings {
        identity: &identity,
        signals: &signals,
        log,
        metrics: &metrics,
    };
    surroundings.serve_forever(&cli.external.socket, &mut injector)?;
    log.info("stopped", &[]);
    Ok(())
}

fn pre_installed(cli: Cli, form: PreInstalled, log: &Arc<Log>) -> Result<()> {
    let stream = sys::inherited_socket(form.socket)
        .with_context(|| format!("take over NRI_PLUGIN_SOCKET={}", form.socket))?;
    let signals = Signals::block().context("block signals")?;
    let mut injector = Injector::start(cli.options, Process::new(log.clone(), Target::Syslog))?;
    let metrics = injector.metrics().clone();
    let surroundings = Surroundings {
        identity: &form.identity,
        signals: &signals,
        log,
        metrics: &metrics,
    };
    let end = surroundings.serve(stream, &mut injector)?;
    log.info(
        "stopped",
        &[("reason", json!(format!("{end:?}").to_lowercase()))],
    );
    Ok(())
}
