//! What is remembered of a hook that ran: one line of JSON in hooks.jsonl.

use hook_tree::Phase;
use serde::{Deserialize, Serialize};

/// The execution of one hook. The launcher writes the same line; docs/hook-tree.md describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The phase; in JSON its name in the spec, like `createRuntime`.
    #[serde(with = "phase_name")]
    pub phase: Phase,
    /// The place within the phase, from 1.
    pub index: u32,
    /// The executable.
    pub path: String,
    /// The whole argument vector.
    pub argv: Vec<String>,
    /// The pid in the pid namespace of whoever ran the hook; 0 if no process could be made.
    pub pid: u32,
    /// Nanoseconds since the epoch (CLOCK_REALTIME).
    pub start_ns: u64,
    /// Nanoseconds until the hook was reaped (CLOCK_MONOTONIC).
    pub duration_ns: u64,
    /// What it returned, unless a signal ended it or it could not be run.
    pub exit_status: Option<u8>,
    /// The signal that ended it.
    pub signal: Option<u8>,
    /// Whether it was killed because its timeout was over.
    pub timed_out: bool,
    /// Why it could not be run, like `execve(/x): no such file or directory (ENOENT)`.
    pub error: Option<String>,
    /// The end of stdout, at least 4 KiB of it.
    pub stdout: String,
    /// The end of stderr, at least 4 KiB of it.
    pub stderr: String,
}

/// Why a line is no record.
#[derive(Debug, thiserror::Error)]
#[error("hook record: {0}")]
pub struct RecordError(#[from] serde_json::Error);

impl Record {
    /// Whether the hook was run and returned 0 in time.
    pub fn succeeded(&self) -> bool {
        self.error.is_none()
            && !self.timed_out
            && self.signal.is_none()
            && self.exit_status == Some(0)
    }

    /// The line for hooks.jsonl, newline included, from the encoder that the launcher uses.
    pub fn to_line(&self) -> String {
        let mut line = Vec::with_capacity(512);
        let record = hook_tree::Record {
            phase: self.phase,
            index: self.index,
            path: self.path.as_bytes(),
            argv: &self.argv,
            pid: self.pid,
            start_ns: self.start_ns,
            duration_ns: self.duration_ns,
            exit_status: self.exit_status,
            signal: self.signal,
            timed_out: self.timed_out,
            timeout: 0,
            error: self.error.as_deref().map(str::as_bytes),
            stdout: self.stdout.as_bytes(),
            stderr: self.stderr.as_bytes(),
        };
        hook_tree::encode_record(&record, &mut |piece: &[u8]| line.extend_from_slice(piece));
        String::from_utf8_lossy(&line).into_owned()
    }

    /// Reads one line, with or without the newline.
    pub fn from_line(line: &[u8]) -> Result<Record, RecordError> {
        Ok(serde_json::from_slice(line)?)
    }
}

/// A phase by its name in the spec.
mod phase_name {
    use hook_tree::Phase;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(phase: &Phase, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(phase.oci_name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Phase, D::Error> {
        let name = String::deserialize(deserializer)?;
        Phase::from_oci_name(name.as_bytes())
            .ok_or_else(|| D::Error::custom(format!("no such phase: {name:?}")))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record() -> Record {
        Record {
            phase: Phase::CreateRuntime,
            index: 2,
            path: "/usr/bin/net-up".into(),
            argv: vec!["net-up".into(), "-v".into()],
            pid: 4711,
            start_ns: 1_700_000_000_123_456_789,
            duration_ns: 12_345_678,
            exit_status: Some(3),
            signal: None,
            timed_out: false,
            error: None,
            stdout: String::new(),
            stderr: "no such device\n".into(),
        }
    }

    #[test]
    fn the_line_is_the_launchers() {
        let mut record = record();
        record.stdout = "\"\\\u{1b}\t\r\u{8}\u{c}\u{7f}/é\u{fffd}".into();
        let line = record.to_line();
        assert_eq!(
            line,
            concat!(
                r#"{"phase":"createRuntime","index":2,"path":"/usr/bin/net-up","argv":["net-up","-v"],"pid":4711,"#,
                r#""start_ns":1700000000123456789,"duration_ns":12345678,"exit_status":3,"signal":null,"#,
                r#""timed_out":false,"error":null,"#,
                r#""stdout":"\"\\\u001b\u0009\u000d\u0008\u000c"#,
                r"\u007f",
                "/é\u{fffd}",
                r#"","stderr":"no such device\u000a"}"#,
                "\n"
            )
        );
        assert_eq!(Record::from_line(line.as_bytes()).unwrap(), record);
    }

    #[test]
    fn a_broken_line_is_an_error() {
        for line in ["", "{}", "{\"phase\":\"x\"}", "x"] {
            assert!(Record::from_line(line.as_bytes()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn success_is_status_zero_in_time() {
        let ok = Record {
            exit_status: Some(0),
            ..record()
        };
        assert!(ok.succeeded() && ok.failure().is_none());
        let bad = [
            Record {
                exit_status: Some(1),
                ..ok.clone()
            },
            Record {
                exit_status: None,
                signal: Some(9),
                ..ok.clone()
            },
            Record {
                timed_out: true,
                ..ok.clone()
            },
            Record {
                error: Some("x".into()),
                ..ok.clone()
            },
            Record {
                exit_status: None,
                ..ok
            },
        ];
        for record in bad {
            assert!(record.failure().is_some(), "{record:?}");
        }
    }
}
