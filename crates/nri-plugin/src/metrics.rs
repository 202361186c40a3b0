//! What the plugin counts, in OpenMetrics.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the histogram in seconds; the engine's default timeout is the last.
const BUCKETS: [f64; 11] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0, 2.0,
];

/// What became of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It got hooks.
    Injected,
    /// No hook matched.
    Unmatched,
    /// Its creation was refused.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: &'static str,
}

/// All counters. Cheap to update from any thread.
pub struct Metrics {
    registry: Registry,
    containers: Family<ResultLabel, Counter>,
    hooks: Family<PhaseLabel, Counter>,
    answers: Histogram,
    /// Containers created while the hook set was broken, under the policy `open`.
    pub incomplete: Counter,
    /// Hooks left out because their executable has not the pinned content.
    pub pin_failures: Counter,
    /// Versions of the hook files that were loaded.
    pub loads: Counter,
    /// Problems that turned up in hook files.
    pub problems: Counter,
    /// Hook files in force or not.
    pub files: Gauge,
    /// Problems that hook files have now.
    pub bad: Gauge,
    /// Completed registrations with an engine.
    pub registrations: Counter,
    /// 1 while registered.
    pub connected: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("lxcri_nri"),
            containers: Family::default(),
            hooks: Family::default(),
            answers: Histogram::new(BUCKETS),
            incomplete: Counter::default(),
            pin_failures: Counter::default(),
            loads: Counter::default(),
            problems: Counter::default(),
            files: Gauge::default(),
            bad: Gauge::default(),
            registrations: Counter::default(),
            connected: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "containers",
            "Containers the engine asked about",
            self.containers.clone(),
        );
        r.register("hooks", "Hooks injected", self.hooks.clone());
        r.register_with_unit(
            "answer",
            "Time from a request to its answer",
            Unit::Seconds,
            self.answers.clone(),
        );
        r.register(
            "incomplete_containers",
            "Containers created without a hook that is bad",
            self.incomplete.clone(),
        );
        r.register(
            "pin_failures",
            "Hooks left out for their content",
            self.pin_failures.clone(),
        );
        r.register(
            "loads",
            "Times the hook files were loaded",
            self.loads.clone(),
        );
        r.register(
            "hook_file_problems",
            "Problems that turned up in hook files",
            self.problems.clone(),
        );
        r.register("hook_files", "Hook files", self.files.clone());
        r.register(
            "hook_file_problems_now",
            "Problems that hook files have now",
            self.bad.clone(),
        );
        r.register(
            "registrations",
            "Registrations with an engine",
            self.registrations.clone(),
        );
        r.register(
            "connected",
            "1 while registered with an engine",
            self.connected.clone(),
        );
    }

    /// Counts a container.
    pub fn container(&self, outcome: Outcome) {
        let result = match outcome {
            Outcome::Injected => "injected",
            Outcome::Unmatched => "unmatched",
            Outcome::Refused => "refused",
        };
        self.containers.get_or_create(&ResultLabel { result }).inc();
    }

    /// Counts a hook that was injected into `phase`.
    pub fn hook(&self, phase: hook_model::Phase) {
        let phase = phase.oci_name();
        self.hooks.get_or_create(&PhaseLabel { phase }).inc();
    }

    /// Counts an answer.
    pub fn answer(&self, took: Duration) {
        self.answers.observe(took.as_secs_f64());
    }

    /// The whole in the text format of OpenMetrics 1.0.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_open_metrics() {
        let metrics = Metrics::default();
        metrics.container(Outcome::Injected);
        metrics.hook(hook_model::Phase::CreateRuntime);
        metrics.hook(hook_model::Phase::CreateRuntime);
        metrics.answer(Duration::from_micros(300));
        metrics.bad.set(3);
        let text = metrics.text();
        for line in [
            "lxcri_nri_containers_total{result=\"injected\"} 1",
            "lxcri_nri_hooks_total{phase=\"createRuntime\"} 2",
            "lxcri_nri_answer_seconds_bucket{le=\"0.00025\"} 0",
            "lxcri_nri_answer_seconds_bucket{le=\"0.0005\"} 1",
            "lxcri_nri_answer_seconds_count 1",
            "lxcri_nri_hook_file_problems_now 3",
            "# EOF",
        ] {
            assert!(
                text.lines().any(|other| other == line),
                "{line} is not in:\n{text}"
            );
        }
    }
}
