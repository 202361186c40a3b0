//! Those options that concern the process as a whole: its log and its metrics.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::log::{Log, Target};
use crate::metrics::Metrics;
use crate::metrics_server;
use crate::options::{Listen, Options};

/// The log and the counters, and what was decided about them.
#[derive(Debug)]
pub struct Process {
    /// The program's log.
    pub log: Arc<Log>,
    /// The program's counters.
    pub metrics: Arc<Metrics>,
    default_target: Target,
    serving: Option<Listen>,
}

impl Process {
    /// Counters at zero, and a log that goes to `default_target` unless options say otherwise.
    pub fn new(log: Arc<Log>, default_target: Target) -> Process {
        Process {
            log,
            metrics: Arc::default(),
            default_target,
            serving: None,
        }
    }

    /// Does what `options` say about log and metrics.
    ///
    /// # Errors
    /// An address at which the metrics cannot be served, or another one than before: the listening thread stays.
    pub fn apply(&mut self, options: &Options) -> Result<()> {
        let target = options
            .log
            .clone()
            .unwrap_or_else(|| self.default_target.clone());
        self.log
            .redirect(target, options.log_format.unwrap_or_default());
        if self.serving == options.metrics {
            return Ok(());
        }
        let Some(Listen(address)) = options.metrics.filter(|_| self.serving.is_none()) else {
            bail!("metrics: the address cannot change while the program runs");
        };
        let address = metrics_server::start(address, self.metrics.clone())
            .with_context(|| format!("serve metrics at {address}"))?;
        self.serving = options.metrics;
        self.log.info(
            "serving metrics",
            &[("address", json!(address.to_string()))],
        );
        Ok(())
    }
}
