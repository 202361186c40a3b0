//! Answers the engine: the hooks of a container from the hook files as they are now.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow};
use hooks_d::{Content, FileProblem, HookFiles, Live, Selected, Selection, Severity, Sources};
use prost::Message as _;
use serde_json::{Value, json};

use crate::adjust;
use crate::log::Level;
use crate::metrics::Outcome;
use crate::options::{OnError, Options};
use crate::pins;
use crate::problems::Reporter;
use crate::process::Process;
use crate::session::Plugin;
use crate::subject::subject;
use crate::wire::connection::OWN_MESSAGE_MAX;
use crate::wire::messages::{ConfigureRequest, CreateContainerRequest, CreateContainerResponse};
use crate::wire::ttrpc::{FAILED_PRECONDITION, INVALID_ARGUMENT, Status};

/// Bytes of the longest response, which leaves room for its envelope.
const LONGEST_RESPONSE: usize = OWN_MESSAGE_MAX - 64;

/// The plugin behind the protocol.
pub struct Injector {
    process: Process,
    own: Options,
    in_force: Options,
    live: Live,
    /// Why the last configuration was refused. The engine offers it again at each attempt.
    refused: Option<String>,
}

impl Injector {
    /// Loads the hook files and watches them from now on.
    ///
    /// # Errors
    /// Options that make no sense, or a watch that cannot be set up. Bad hook files are no error.
    pub fn start(own: Options, mut process: Process) -> Result<Injector> {
        let sources = sources(&own)?;
        process.apply(&own);
        let live = watch(sources, &process)?;
        Ok(Injector {
            process,
            in_force: own.clone(),
            own,
            live,
            refused: None,
        })
    }

    fn apply(&mut self, config: &str) -> Result<()> {
        let file = Options::from_toml(config).map_err(|e| anyhow!("configuration: {e}"))?;
        let options = self.own.clone().over(file);
        if options != self.in_force {
            let sources = sources(&options)?;
            self.process.apply(&options);
            self.live = watch(sources, &self.process)?;
            self.in_force = options;
        }
        Ok(())
    }

    /// Says how many hook files there are and which directories are not there. Hooks may come later, but a slip of the pen looks
    /// the same.
    pub fn report_sources(&self) {
        let Ok(sources) = self.in_force.sources() else {
            return;
        };
        let missing: Vec<_> = sources.missing().map(|path| json!(path)).collect();
        let level = if missing.len() < sources.list.len() {
            Level::Info
        } else {
            Level::Warning
        };
        let mut fields = vec![("files", json!(self.live.current().files().len()))];
        if !missing.is_empty() {
            fields.push(("missing_directories", json!(missing)));
        }
        self.process.log.write(level, "hook files loaded", &fields);
    }

    /// The answer for a container, or why it must not be created.
    fn answer(
        &self,
        request: &CreateContainerRequest,
        deadline: Instant,
    ) -> Result<CreateContainerResponse, String> {
        let choice = self.choose(request, deadline)?;
        let response = adjust::response(&choice.injected);
        let length = response.encoded_len();
        if length > LONGEST_RESPONSE {
            // The engine would close the connection and create the container without any hook.
            return Err(format!(
                "adjustment of {length} bytes: the engine takes no more than {LONGEST_RESPONSE}"
            ));
        }
        self.say(request, &choice);
        Ok(response)
    }

    /// The hooks for a container, or why it must not be created.
    fn choose(
        &self,
        request: &CreateContainerRequest,
        deadline: Instant,
    ) -> Result<Choice, String> {
        let files = self.live.current();
        files.verdict().map_err(|broken| broken.to_string())?;
        let container = subject(request, self.in_force.annotation_order.unwrap_or_default());
        let Selection { hooks, precreate } = files.select(&container);
        let mut left_out: Vec<LeftOut> = precreate.iter().map(LeftOut::precreate).collect();
        let failures = pins::failures(&hooks, self.in_force.host_root.as_deref(), deadline);
        let mut injected = Vec::with_capacity(hooks.len());
        for (index, hook) in hooks.into_iter().enumerate() {
            match failures.get(&index) {
                None => injected.push(hook),
                Some(reason) => {
                    self.process.metrics.pin_failures.inc();
                    left_out.push(LeftOut::new(&hook, reason));
                }
            }
        }
        match left_out.first() {
            Some(first) if self.in_force.on_error == Some(OnError::Closed) => {
                Err(first.to_string())
            }
            _ => Ok(Choice {
                injected,
                left_out,
                incomplete: is_incomplete(&files),
            }),
        }
    }

    fn say(&self, request: &CreateContainerRequest, choice: &Choice) {
        let outcome = match choice.injected.len() {
            0 => Outcome::Unmatched,
            _ => Outcome::Injected,
        };
        self.process.metrics.container(outcome);
        if choice.incomplete || !choice.left_out.is_empty() {
            self.process.metrics.incomplete.inc();
        }
        choice
            .injected
            .iter()
            .for_each(|hook| self.process.metrics.hook(hook.phase));
        let mut fields = names(request);
        fields.push(("hooks", choice.injected.iter().map(described).collect()));
        if !choice.left_out.is_empty() {
            let left_out = choice.left_out.iter().map(LeftOut::to_string);
            fields.push(("left_out", left_out.map(Value::from).collect()));
            self.process.log.error("hooks left out", &fields);
        } else if !choice.injected.is_empty() {
            self.process.log.info("hooks injected", &fields);
        }
    }

    fn refuse(&self, request: &CreateContainerRequest, reason: &str) -> Status {
        self.process.metrics.container(Outcome::Refused);
        let mut fields = names(request);
        fields.push(("reason", json!(reason)));
        self.process.log.error("creation refused", &fields);
        Status::new(
            FAILED_PRECONDITION,
            format!("lxcri-nri: hooks are broken: {reason}"),
        )
    }
}

impl Plugin for Injector {
    fn configure(&mut self, request: ConfigureRequest) -> Result<(), Status> {
        self.apply(&request.config).map_err(|e| {
            let text = format!("{e:#}");
            if self.refused.as_ref() != Some(&text) {
                self.process
                    .log
                    .error("configuration refused", &[("reason", json!(text))]);
                self.refused = Some(text.clone());
            }
            Status::new(INVALID_ARGUMENT, text)
        })?;
        self.refused = None;
        let fields = [
            ("engine", json!(request.runtime_name)),
            ("version", json!(request.runtime_version)),
            ("request_timeout_ms", json!(request.request_timeout)),
        ];
        self.process.log.info("configured", &fields);
        self.report_sources();
        Ok(())
    }

    fn registered(&mut self) {
        self.process.metrics.registrations.inc();
        self.process.metrics.connected.set(1);
        self.process.log.info("registered", &[]);
    }

    fn synchronized(&mut self) {
        self.process.log.info("synchronized", &[]);
    }

    fn create_container(
        &mut self,
        request: CreateContainerRequest,
        deadline: Instant,
    ) -> Result<CreateContainerResponse, Status> {
        let began = Instant::now();
        let answer = self
            .answer(&request, deadline)
            .map_err(|reason| self.refuse(&request, &reason));
        self.process.metrics.answer(began.elapsed());
        answer
    }
}

/// What a container gets and what not.
struct Choice {
    injected: Vec<Selected>,
    left_out: Vec<LeftOut>,
    /// Whether some file is bad, so that a hook may be missing.
    incomplete: bool,
}

/// A hook that matched and cannot be injected.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {phase} hook {path}: {reason}")]
struct LeftOut {
    file: String,
    phase: &'static str,
    path: String,
    reason: String,
}

impl LeftOut {
    fn new(hook: &Selected, reason: &str) -> LeftOut {
        LeftOut {
            file: hook.file.display().to_string(),
            phase: hook.phase.oci_name(),
            path: hook.hook.path_str().into_owned(),
            reason: reason.to_owned(),
        }
    }

    fn precreate(hook: &Selected) -> LeftOut {
        LeftOut {
            phase: "precreate",
            ..LeftOut::new(hook, "NRI has no such phase")
        }
    }
}

/// Whether something is bad of which no good version is known.
fn is_incomplete(files: &HookFiles) -> bool {
    let is_good = |problem: &FileProblem| {
        let mut all = files.files().iter();
        all.any(|file| file.path() == problem.file && matches!(file.content(), Content::Good(_)))
    };
    files
        .problems()
        .any(|problem| problem.severity == Severity::Error && !is_good(problem))
}

fn names(request: &CreateContainerRequest) -> Vec<(&'static str, Value)> {
    let container = request.container.as_ref();
    let pod = request.pod.as_ref();
    vec![
        ("container", json!(container.map(|c| &c.id))),
        ("name", json!(container.map(|c| &c.name))),
        ("pod", json!(pod.map(|p| &p.name))),
        ("namespace", json!(pod.map(|p| &p.namespace))),
    ]
}

fn described(selected: &Selected) -> Value {
    json!({
        "phase": selected.phase.oci_name(),
        "path": selected.hook.path_str(),
        "file": selected.file.to_string_lossy(),
    })
}

fn sources(options: &Options) -> Result<Sources> {
    options.sources().map_err(|e| anyhow!("configuration: {e}"))
}

fn watch(sources: Sources, process: &Process) -> Result<Live> {
    let (log, metrics) = (process.log.clone(), process.metrics.clone());
    let reporter = Arc::new(Reporter::new(log, metrics.clone()));
    let (reporting, counting) = (reporter.clone(), metrics);
    let live = Live::start(sources, move |files| {
        counting.loads.inc();
        reporting.report(|| files.clone());
    })?;
    reporter.report(|| live.current());
    Ok(live)
}
