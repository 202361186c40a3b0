//! precreate hooks: each reads a configuration from stdin and writes the one to use to stdout.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hook_exec::{Context, HookFailure, Record, run_filter};
use hook_model::{Phase, json};
use serde_json::Value;

use crate::definition::Stage;
use crate::pin::{self, PinError};
use crate::select::Selected;
use crate::text::OneLine;

/// The largest configuration that a hook may write, in bytes.
const SIZE_LIMIT: usize = 16 << 20;

/// How long a hook that has been killed at its timeout is waited for, as in podman.
const GRACE: Duration = Duration::from_secs(10);

/// Why there is no configuration to create a container with.
#[derive(Debug, thiserror::Error)]
pub enum PrecreateError {
    /// The executable is not what was pinned.
    #[error("precreate hook #{index}: {error}")]
    Pin {
        /// The hook's place among the precreate hooks, from 1.
        index: u32,
        /// What is wrong.
        error: PinError,
    },
    /// It could not be run, failed, or was killed.
    #[error("{failure}")]
    Failed {
        /// For example `precreate hook #1 (/bin/x): exit status 3 after 2 ms: no such device`.
        failure: String,
    },
    /// It succeeded, and its output is no configuration.
    #[error("precreate hook #{index} ({}): {reason}", OneLine(&path.to_string_lossy()))]
    Output {
        /// The hook's place among the precreate hooks, from 1.
        index: u32,
        /// Its executable.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Passes a configuration through the hooks in their order, each with the bundle as its working directory. The result is
/// what the last one wrote, byte for byte, or `spec` itself when there is no hook.
///
/// # Errors
/// At the first hook that fails, or whose output is not one JSON object with the string `ociVersion`.
pub fn run(hooks: &[Selected], spec: Vec<u8>, bundle: &Path) -> Result<Vec<u8>, PrecreateError> {
    let mut spec = spec;
    for (index, hook) in (1..).zip(hooks) {
        spec = run_one(index, hook, &spec, bundle)?;
    }
    Ok(spec)
}

fn run_one(
    index: u32,
    selected: &Selected,
    spec: &[u8],
    bundle: &Path,
) -> Result<Vec<u8>, PrecreateError> {
    let hook = &selected.hook;
    let wrong = |reason: String| PrecreateError::Output {
        index,
        path: hook.path.clone(),
        reason,
    };
    let executable = pin::verify(selected).map_err(|error| PrecreateError::Pin { index, error })?;
    let context = Context {
        die_with_caller: true,
        kill_wait: GRACE,
        ..Context::new(spec, bundle)
    };
    let executable = executable.as_ref().map(AsFd::as_fd);
    let phase = Phase::CreateRuntime;
    let (record, output) = run_filter(executable, hook, phase, index, &context, SIZE_LIMIT);
    let output = match (output, record.failure()) {
        (Some(output), None) => output,
        (None, _) if record.error.is_none() => {
            return Err(wrong(format!("writes more than {SIZE_LIMIT} bytes")));
        }
        _ => return Err(failed(&record)),
    };
    check(&output).map_err(wrong)?;
    Ok(output)
}

/// Such a hook has no phase of its own in a record.
fn failed(record: &Record) -> PrecreateError {
    let failure = HookFailure(Box::new(record.clone())).to_string();
    PrecreateError::Failed {
        failure: failure.replacen(record.phase.oci_name(), Stage::Precreate.name(), 1),
    }
}

/// Whether an output can be a configuration at all; what it says is for the runtime to judge. The error is a reason.
fn check(output: &[u8]) -> Result<(), String> {
    if output.is_empty() {
        return Err("writes nothing".to_owned());
    }
    let text = str::from_utf8(output).map_err(|_| "writes no UTF-8".to_owned())?;
    let value = json::parse(text).map_err(|e| format!("writes no JSON: {e}"))?;
    match value.get("ociVersion") {
        Some(Value::String(version)) if !version.is_empty() => Ok(()),
        _ => Err("writes no configuration: /ociVersion is missing or no string".to_owned()),
    }
}
