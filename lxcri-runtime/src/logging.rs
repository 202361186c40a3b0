//! Messages: warnings and errors on stderr, everything of the chosen level in the `--log` file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::SystemTime;

use anyhow::{Context, Result};
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::cli::{LogFormat, LogLevel};

struct Logger {
    level: LevelFilter,
    file: Option<Mutex<File>>,
    format: LogFormat,
}

/// Sets the process's logger. Call once, before the first message.
///
/// Without a file, messages go to stderr in the text format; with one, errors go to both (an engine reads the file, a
/// person stderr).
pub fn init(path: Option<&Path>, format: LogFormat, level: LogLevel) -> Result<()> {
    let level = match level {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    };
    let file = match path {
        None => None,
        Some(path) => Some(Mutex::new(
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o644)
                // A FIFO without a reader is an error and not a reason to wait.
                .custom_flags(libc::O_NONBLOCK)
                .open(path)
                .with_context(|| format!("open log file {}", path.display()))?,
        )),
    };
    log::set_boxed_logger(Box::new(Logger {
        level,
        file,
        format,
    }))
    .context("set logger")?;
    log::set_max_level(level);
    Ok(())
}

impl Logger {
    fn line(&self, level: Level, message: &str) -> String {
        let time = humantime::format_rfc3339_seconds(SystemTime::now());
        let level = match level {
            Level::Warn => "warning",
            Level::Error => "error",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        match self.format {
            LogFormat::Text => format!("time=\"{time}\" level={level} msg={message:?}\n"),
            LogFormat::Json => {
                let mut line =
                    serde_json::json!({ "level": level, "msg": message, "time": time.to_string() })
                        .to_string();
                line.push('\n');
                line
            }
        }
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        if let Some(file) = &self.file {
            let line = self.line(record.level(), &message);
            if let Ok(mut file) = file.lock() {
                // Nothing can be done about a full disk here, and the command must go on.
                let _ = file.write_all(line.as_bytes());
            }
        }
        if self.file.is_none() || record.level() == Level::Error {
            let prefix = match record.level() {
                Level::Error => "lxcri: ",
                Level::Warn => "lxcri: warning: ",
                _ => "lxcri: debug: ",
            };
            let _ = std::io::stderr()
                .lock()
                .write_all(format!("{prefix}{message}\n").as_bytes());
        }
    }

    fn flush(&self) {}
}
