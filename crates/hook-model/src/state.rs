//! The state that a hook reads from stdin and that `state` prints.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use hook_tree::Phase;

/// The status of a container (runtime.md, State).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is being created.
    Creating,
    /// It is ready, and the user's program has not been executed.
    Created,
    /// The user's program has been executed and has not ended.
    Running,
    /// The container process is gone.
    Stopped,
}

impl Status {
    /// The name in the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Stopped => "stopped",
        }
    }

    /// The status with this name.
    pub fn from_name(name: &str) -> Option<Status> {
        [
            Status::Creating,
            Status::Created,
            Status::Running,
            Status::Stopped,
        ]
        .into_iter()
        .find(|s| s.as_str() == name)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a container (runtime-spec, runtime.md, State).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The version of the spec that this state complies with.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Where the container is in its life.
    pub status: Status,
    /// The container process as seen from the reader's pid namespace. Not written for a stopped container, whose pid
    /// may by now be someone else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Absolute path of the bundle.
    pub bundle: PathBuf,
    /// Not written when empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl State {
    /// The same state as the hooks of a phase must see it.
    pub fn for_phase(&self, phase: Phase) -> State {
        let status = match Status::from_name(phase.status()) {
            Some(status) => status,
            None => self.status,
        };
        State {
            status,
            ..self.clone()
        }
    }

    /// The JSON text, on one line and without a newline at the end.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let gone = self.status == Status::Stopped || self.pid.is_some_and(|pid| pid <= 0);
        if gone && self.pid.is_some() {
            return serde_json::to_vec(&State {
                pid: None,
                ..self.clone()
            });
        }
        serde_json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            oci_version: "1.2.0".into(),
            id: "c1".into(),
            status: Status::Running,
            pid: Some(42),
            bundle: "/b".into(),
            annotations: BTreeMap::new(),
        }
    }

    fn json(state: &State) -> String {
        String::from_utf8(state.to_json().unwrap()).unwrap()
    }

    #[test]
    fn the_spelling_is_the_specs() {
        assert_eq!(
            json(&state()),
            r#"{"ociVersion":"1.2.0","id":"c1","status":"running","pid":42,"bundle":"/b"}"#
        );
        let mut annotated = state();
        annotated.annotations.insert("b".into(), "\"\n".into());
        annotated.annotations.insert("a".into(), "1".into());
        assert!(json(&annotated).ends_with(r#""bundle":"/b","annotations":{"a":"1","b":"\"\n"}}"#));
        assert_eq!(
            serde_json::from_slice::<State>(&annotated.to_json().unwrap()).unwrap(),
            annotated
        );
    }

    #[test]
    fn a_stopped_container_has_no_pid() {
        assert_eq!(
            json(&state().for_phase(Phase::Poststop)),
            r#"{"ociVersion":"1.2.0","id":"c1","status":"stopped","bundle":"/b"}"#
        );
        assert!(
            !json(&State {
                pid: Some(0),
                ..state()
            })
            .contains("pid")
        );
        assert!(
            !json(&State {
                pid: None,
                ..state()
            })
            .contains("pid")
        );
    }

    #[test]
    fn every_phase_has_a_status() {
        let seen: Vec<_> = Phase::ALL
            .iter()
            .map(|p| state().for_phase(*p).status.as_str())
            .collect();
        assert_eq!(
            seen,
            [
                "creating", "creating", "creating", "created", "running", "stopped"
            ]
        );
    }
}
