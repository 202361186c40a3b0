//! A hook's failure as one line for people.

use std::fmt;
use std::time::Duration;

use hook_tree::{End, FailureLine};

use crate::record::Record;

/// A hook that failed. Displayed as
/// `createRuntime hook #2 (/usr/bin/net-up): exit status 3 after 12 ms: no such device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookFailure(pub Box<Record>);

impl std::error::Error for HookFailure {}

impl Record {
    /// The error that a failed hook is.
    pub fn failure(&self) -> Option<HookFailure> {
        (!self.succeeded()).then(|| HookFailure(Box::new(self.clone())))
    }
}

impl fmt::Display for HookFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = &*self.0;
        let end = match (&record.error, record.signal, record.exit_status) {
            (Some(error), ..) => End::NotRun(error.as_bytes()),
            // The timeout is whole seconds and a killed hook is reaped at once, so the rest is what killing took.
            _ if record.timed_out => {
                End::TimedOut(Duration::from_nanos(record.duration_ns).as_secs())
            }
            (None, Some(signal), _) => End::Killed(signal),
            (None, None, Some(status)) => End::Exited(status),
            (None, None, None) => End::NotRun(b"its end is unknown"),
        };
        let line = FailureLine {
            phase: record.phase,
            index: record.index,
            path: record.path.as_bytes(),
            end,
            duration_ns: record.duration_ns,
            stderr: record.stderr.as_bytes(),
        };
        let mut bytes = Vec::with_capacity(256);
        line.encode(&mut |piece| bytes.extend_from_slice(piece));
        f.write_str(&String::from_utf8_lossy(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    fn line(record: Record) -> String {
        record.failure().unwrap().to_string()
    }

    #[test]
    fn one_line_for_every_end() {
        let base = record();
        assert_eq!(
            line(base.clone()),
            "createRuntime hook #2 (/usr/bin/net-up): exit status 3 after 12 ms: no such device"
        );
        let killed = Record {
            exit_status: None,
            signal: Some(9),
            stderr: String::new(),
            ..base.clone()
        };
        assert_eq!(
            line(killed.clone()),
            "createRuntime hook #2 (/usr/bin/net-up): killed by signal 9 (SIGKILL) after 12 ms"
        );
        assert!(
            line(Record {
                signal: Some(35),
                ..killed.clone()
            })
            .ends_with("killed by signal 35 after 12 ms")
        );
        assert!(
            line(Record {
                signal: None,
                ..killed.clone()
            })
            .ends_with("cannot be run: its end is unknown")
        );
        assert!(
            line(Record {
                timed_out: true,
                duration_ns: 2_004_000_000,
                ..killed.clone()
            })
            .ends_with("(/usr/bin/net-up): timed out after 2 s")
        );
        let error = Some("execve(/x): no such file or directory (ENOENT)".into());
        assert!(
            line(Record {
                error,
                signal: None,
                ..killed
            })
            .ends_with("): cannot be run: execve(/x): no such file or directory (ENOENT)")
        );
    }

    #[test]
    fn the_end_of_stderr_is_one_harmless_line() {
        let with = |stderr: &str| {
            line(Record {
                stderr: stderr.into(),
                ..record()
            })
        };
        assert!(with("first\nlast\r\n \n\n").ends_with("after 12 ms: last"));
        assert!(with(" \n\n").ends_with("after 12 ms"));
        let line = with("\u{1b}[31mred\u{9b}0m");
        assert!(
            line.contains("red") && !line.chars().any(char::is_control),
            "{line:?}"
        );
        let long = with(&"é".repeat(5000));
        assert!(long.len() < 700 && long.ends_with('é'), "{long}");
    }
}
