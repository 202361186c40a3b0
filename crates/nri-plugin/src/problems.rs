//! Says once what is wrong with hook files, and once that it is right again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use hooks_d::{HookFiles, Severity};
use serde_json::json;

use crate::log::Log;
use crate::metrics::Metrics;

/// Remembers the problems that were reported.
#[derive(Debug)]
pub struct Reporter {
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    known: Mutex<BTreeSet<(bool, String)>>,
}

impl Reporter {
    /// A reporter that knows of no problem.
    pub fn new(log: Arc<Log>, metrics: Arc<Metrics>) -> Reporter {
        Reporter {
            log,
            metrics,
            known: Mutex::default(),
        }
    }

    /// Compares the hook files with what was reported. They are asked for under the lock, so that an older version is never
    /// reported after a newer one.
    pub fn report(&self, files: impl FnOnce() -> Arc<HookFiles>) {
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        let files = files();
        let now: BTreeSet<(bool, String)> = files
            .problems()
            .map(|problem| (problem.severity == Severity::Error, problem.to_string()))
            .collect();
        for (is_error, text) in now.difference(&known) {
            let fields = [("problem", json!(text))];
            if *is_error {
                self.metrics.problems.inc();
                self.log.error("hook file is bad", &fields);
            } else {
                self.log.warning("hook file is doubtful", &fields);
            }
        }
        for (_, text) in known.difference(&now) {
            self.log
                .info("hook file problem is gone", &[("problem", json!(text))]);
        }
        self.metrics.files.set(count(files.files().len()));
        self.metrics
            .bad
            .set(count(now.iter().filter(|(is_error, _)| *is_error).count()));
        *known = now;
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
