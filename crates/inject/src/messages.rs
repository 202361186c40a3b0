//! Errors and warnings, on stderr and in the engine's log.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::SystemTime;

use humantime::format_rfc3339_seconds;

use crate::argv::{Call, LogFormat};

/// Where messages go.
#[derive(Debug)]
pub struct Messages {
    log: Option<PathBuf>,
    format: LogFormat,
}

impl Messages {
    /// The places that a call names.
    pub fn of(call: &Call) -> Messages {
        Messages {
            log: call.log.clone(),
            format: call.log_format,
        }
    }

    /// Writes an error to stderr and to the log.
    pub fn error(&self, message: &str) {
        let message = one_line(message);
        self.log("error", &message);
        stderr(&message);
    }

    /// Writes a warning to the log or, without one, to stderr, which may be the container's.
    pub fn warning(&self, message: &str) {
        let message = one_line(message);
        if !self.log("warning", &message) {
            stderr(&format!("warning: {message}"));
        }
    }

    /// Appends to the log. It cannot be helped if that fails.
    fn log(&self, level: &str, message: &str) -> bool {
        let Some(path) = &self.log else { return false };
        let line = line(
            self.format,
            level,
            &format!("lxcri-inject: {message}"),
            SystemTime::now(),
        );
        let mut options = File::options();
        // A FIFO that nobody reads must not hold us.
        options.append(true).create(true);
        let file = options.custom_flags(libc::O_NONBLOCK).open(path);
        file.is_ok_and(|mut file| file.write_all(line.as_bytes()).is_ok())
    }
}

fn stderr(message: &str) {
    let _ = std::io::stderr().write_all(format!("lxcri-inject: {message}\n").as_bytes());
}

/// Names of files may hold anything.
fn one_line(message: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    message.chars().map(printable).collect()
}

fn line(format: LogFormat, level: &str, message: &str, now: SystemTime) -> String {
    let time = format_rfc3339_seconds(now);
    match format {
        LogFormat::Text => format!("time=\"{time}\" level={level} msg={message:?}\n"),
        LogFormat::Json => {
            let time = time.to_string();
            let object = serde_json::json!({"level": level, "msg": message, "time": time});
            format!("{object}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_the_format_of_the_engine() {
        let line = |format| line(format, "error", "a \"b\"", SystemTime::UNIX_EPOCH);
        assert_eq!(
            line(LogFormat::Text),
            "time=\"1970-01-01T00:00:00Z\" level=error msg=\"a \\\"b\\\"\"\n"
        );
        assert_eq!(
            line(LogFormat::Json),
            "{\"level\":\"error\",\"msg\":\"a \\\"b\\\"\",\"time\":\"1970-01-01T00:00:00Z\"}\n"
        );
        assert_eq!(one_line("a\nb\u{1b}"), "a b ");
    }

    #[test]
    fn a_warning_goes_to_the_log_if_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let messages = Messages {
            log: Some(path.clone()),
            format: LogFormat::Text,
        };
        messages.warning("w");
        messages.error("e");
        let text = std::fs::read_to_string(path).unwrap();
        let levels: Vec<_> = text.lines().map(|l| l.split(' ').nth(1).unwrap()).collect();
        assert_eq!(levels, ["level=warning", "level=error"]);
    }

    #[test]
    fn a_fifo_that_nobody_reads_is_no_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let messages = Messages {
            log: Some(path),
            format: LogFormat::Text,
        };
        assert!(!messages.log("error", "e"));
    }
}
