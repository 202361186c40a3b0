//! What the runtimes have recorded of a container: its process, its bundle, whether the program was started.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Layout;
use crate::process::Identity;
use crate::view::{ReadError, View};

/// Most bytes of a record; libcontainer's holds the whole configuration.
const LIMIT: u64 = 16 << 20;

/// A runtime's record of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The container's first process.
    pub process: Identity,
    /// The bundle.
    pub bundle: PathBuf,
    /// Whether `start` has gone through.
    pub started: bool,
}

/// Why a record is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not what this runtime writes.
    #[error("{0}: {1}")]
    Malformed(PathBuf, String),
    /// The process that it names has ended.
    #[error("{0}: process {1} has ended")]
    Ended(PathBuf, i32),
}

#[derive(Deserialize)]
struct Libcontainer {
    init_process_pid: i32,
    #[serde(default)]
    init_process_start: u64,
    config: LibcontainerConfig,
}

#[derive(Deserialize)]
struct LibcontainerConfig {
    #[serde(default)]
    labels: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Crun {
    pid: i32,
    #[serde(default, rename = "process-start-time")]
    start: u64,
    bundle: PathBuf,
}

#[derive(Deserialize)]
struct Oci {
    #[serde(default)]
    pid: Option<i32>,
    bundle: PathBuf,
    status: String,
}

/// Reads the record in `directory`.
pub(super) fn read(layout: Layout, view: &View, directory: &Path) -> Result<Recorded, StateError> {
    let name = match layout {
        Layout::Libcontainer | Layout::Oci | Layout::Lxc => "state.json",
        Layout::Crun => "status",
    };
    let file = directory.join(name);
    let bytes = view.read(&file, LIMIT)?;
    let fifo = || view.exists(&directory.join("exec.fifo"));
    parse(layout, &bytes, fifo).map_err(|reason| match reason {
        Bad::Malformed(text) => StateError::Malformed(file.clone(), text),
        Bad::Ended(pid) => StateError::Ended(file.clone(), pid),
    })
}

enum Bad {
    Malformed(String),
    Ended(i32),
}

impl From<serde_json::Error> for Bad {
    fn from(error: serde_json::Error) -> Bad {
        Bad::Malformed(error.to_string())
    }
}

fn parse(layout: Layout, bytes: &[u8], waits: impl Fn() -> bool) -> Result<Recorded, Bad> {
    let (pid, start, bundle, started) = match layout {
        Layout::Libcontainer => {
            let state: Libcontainer = serde_json::from_slice(bytes)?;
            let labels = state.config.labels.unwrap_or_default();
            let bundle = labels
                .iter()
                .find_map(|label| label.strip_prefix("bundle="))
                .ok_or_else(|| Bad::Malformed("no label names the bundle".into()))?;
            let (pid, start) = (state.init_process_pid, state.init_process_start);
            (pid, start, bundle.into(), !waits())
        }
        Layout::Crun => {
            let state: Crun = serde_json::from_slice(bytes)?;
            (state.pid, state.start, state.bundle, !waits())
        }
        Layout::Oci => {
            let state: Oci = serde_json::from_slice(bytes)?;
            let started = state.status == "running";
            (state.pid.unwrap_or(0), 0, state.bundle, started)
        }
        Layout::Lxc => return Err(Bad::Malformed("LXC records nothing".into())),
    };
    // A recorded start time tells a process from a later one with its pid.
    let process = Identity::of(pid).filter(|now| pid > 0 && (start == 0 || start == now.start));
    Ok(Recorded {
        process: process.ok_or(Bad::Ended(pid))?,
        bundle,
        started,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(layout: Layout, json: &str, waits: bool) -> String {
        match parse(layout, json.as_bytes(), || waits) {
            Ok(recorded) => format!("{} {}", recorded.bundle.display(), recorded.started),
            Err(Bad::Ended(pid)) => format!("ended {pid}"),
            Err(Bad::Malformed(reason)) => reason,
        }
    }

    #[test]
    fn records_of_the_runtimes() {
        let own = Identity::of(std::process::id().cast_signed()).unwrap();
        let (pid, start) = (own.pid, own.start);
        let runc = format!(
            r#"{{"init_process_pid":{pid},"init_process_start":{start},"config":{{"labels":["a=b","bundle=/b"]}}}}"#
        );
        assert_eq!(text(Layout::Libcontainer, &runc, true), "/b false");
        assert_eq!(text(Layout::Libcontainer, &runc, false), "/b true");
        let other = runc.replace(&start.to_string(), "1");
        assert_eq!(
            text(Layout::Libcontainer, &other, false),
            format!("ended {pid}")
        );
        let unlabelled = runc.replace("bundle=", "");
        assert!(text(Layout::Libcontainer, &unlabelled, false).contains("label"));
        let crun = format!(r#"{{"pid":{pid},"process-start-time":{start},"bundle":"/c"}}"#);
        assert_eq!(text(Layout::Crun, &crun, true), "/c false");
        for (status, started) in [("created", "false"), ("running", "true")] {
            let oci = format!(r#"{{"pid":{pid},"bundle":"/d","status":"{status}"}}"#);
            assert_eq!(text(Layout::Oci, &oci, true), format!("/d {started}"));
        }
        let stopped = r#"{"bundle":"/d","status":"stopped"}"#;
        assert_eq!(text(Layout::Oci, stopped, true), "ended 0");
        assert!(text(Layout::Crun, "{", true).contains("EOF"));
    }
}
