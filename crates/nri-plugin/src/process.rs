//! Those options that concern the process as a whole: its log and its metrics.

use std::sync::Arc;

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

    /// Does what `options` say about log and metrics. What cannot be done is said in the log: without metrics a plugin is worth more
    /// than none.
    pub fn apply(&mut self, options: &Options) {
        let target = options
            .log
            .clone()
            .unwrap_or_else(|| self.default_target.clone());
        self.log
            .redirect(target, options.log_format.unwrap_or_default());
        match (self.serving, options.metrics) {
            (serving, wanted) if serving == wanted => {}
            (None, Some(Listen(address))) => {
                self.serving = options.metrics;
                let (metrics, log) = (self.metrics.clone(), self.log.clone());
                if let Err(e) = metrics_server::start(address, metrics, log) {
                    metrics_server::report(&self.log, address, &e);
                }
            }
            _ => self.log.warning(
                "the address of the metrics cannot change while the program runs",
                &[("address", json!(self.serving.map(|l| l.0.to_string())))],
            ),
        }
    }
}
