//! Log lines with fields: to stderr, to syslog, or to a file.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::RwLock;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Where syslog listens.
const SYSLOG: &str = "/dev/log";
/// syslog's facility for daemons, shifted to its place beside the severity.
const DAEMON: u8 = 3 << 3;

/// Where lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Target {
    /// As is usual for a program under a service manager.
    #[default]
    Stderr,
    /// The system's log; what is sent while nobody listens is lost.
    Syslog,
    /// A file that is opened for each line, so that it can be rotated at any time.
    File(PathBuf),
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Target, Self::Err> {
        match text {
            "stderr" => Ok(Target::Stderr),
            "syslog" => Ok(Target::Syslog),
            path if path.starts_with('/') => Ok(Target::File(path.into())),
            _ => Err("neither stderr, syslog nor an absolute path"),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Target, Self::Error> {
        text.parse()
    }
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `time="…" level=info msg="…" field="…"`
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// How serious a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Level {
    Info,
    Warning,
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }

    fn severity(self) -> u8 {
        match self {
            Level::Info => 6,
            Level::Warning => 4,
            Level::Error => 3,
        }
    }
}

/// The program's log.
#[derive(Debug, Default)]
pub struct Log(RwLock<(Target, Format)>);

impl Log {
    /// A log to `target`.
    pub fn new(target: Target, format: Format) -> Log {
        Log(RwLock::new((target, format)))
    }

    /// From now on elsewhere, or otherwise.
    pub fn redirect(&self, target: Target, format: Format) {
        *self.0.write().unwrap_or_else(|e| e.into_inner()) = (target, format);
    }

    /// Writes a line. A log that cannot be written to must not stop the plugin, so failures go unreported.
    pub fn write(&self, level: Level, message: &str, fields: &[(&str, Value)]) {
        let (target, format) = self.0.read().unwrap_or_else(|e| e.into_inner()).clone();
        let _ = match target {
            Target::Stderr => {
                io::stderr().write_all(line(format, level, message, fields).as_bytes())
            }
            Target::File(path) => append(path, &line(format, level, message, fields)),
            Target::Syslog => to_syslog(level, &line(format, level, message, fields)),
        };
    }

    /// Writes a line of level info.
    pub fn info(&self, message: &str, fields: &[(&str, Value)]) {
        self.write(Level::Info, message, fields);
    }

    /// Writes a line of level warning.
    pub fn warning(&self, message: &str, fields: &[(&str, Value)]) {
        self.write(Level::Warning, message, fields);
    }

    /// Writes a line of level error.
    pub fn error(&self, message: &str, fields: &[(&str, Value)]) {
        self.write(Level::Error, message, fields);
    }
}

fn line(format: Format, level: Level, message: &str, fields: &[(&str, Value)]) -> String {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    match format {
        Format::Text => {
            let text = Value::from(message);
            let mut line = format!("time=\"{time}\" level={} msg={text}", level.name());
            for (name, value) in fields {
                line.push_str(&format!(" {name}={value}"));
            }
            line + "\n"
        }
        Format::Json => {
            let mut object = Map::new();
            for (name, value) in [
                ("time", time.into()),
                ("level", level.name().into()),
                ("msg", message.into()),
            ] {
                object.insert(name.to_owned(), value);
            }
            for (name, value) in fields {
                object.insert((*name).to_owned(), value.clone());
            }
            Value::Object(object).to_string() + "\n"
        }
    }
}

fn append(path: PathBuf, line: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640);
    options.open(path)?.write_all(line.as_bytes())
}

fn to_syslog(level: Level, line: &str) -> io::Result<()> {
    let priority = DAEMON | level.severity();
    let pid = std::process::id();
    let packet = format!("<{priority}>lxcri-nri[{pid}]: {}", line.trim_end());
    let socket = UnixDatagram::unbound()?;
    // A system log that does not read must not hold up the engine.
    socket.set_nonblocking(true)?;
    socket.send_to(packet.as_bytes(), SYSLOG).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields() -> [(&'static str, Value); 2] {
        [("container", json!("a \"b\"\n")), ("hooks", json!(["x"]))]
    }

    #[test]
    fn text_stays_on_one_line() {
        let line = line(Format::Text, Level::Warning, "it's so", &fields());
        let (time, rest) = line.split_once(" level=").unwrap();
        assert!(time.starts_with("time=\"2"), "{line}");
        assert_eq!(
            rest,
            "warning msg=\"it's so\" container=\"a \\\"b\\\"\\n\" hooks=[\"x\"]\n"
        );
    }

    #[test]
    fn json_is_one_object_a_line() {
        let line = line(Format::Json, Level::Info, "m", &fields());
        let value: Value = serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(value["container"], "a \"b\"\n");
        assert_eq!(
            (&value["level"], &value["msg"]),
            (&json!("info"), &json!("m"))
        );
    }

    #[test]
    fn a_file_may_be_moved_away_between_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let log = Log::new(Target::File(path.clone()), Format::Text);
        log.info("first", &[]);
        std::fs::rename(&path, directory.path().join("old")).unwrap();
        log.error("second", &[]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("second") && !text.contains("first"), "{text}");
    }

    #[test]
    fn targets_as_typed() {
        assert_eq!("stderr".parse(), Ok(Target::Stderr));
        assert_eq!("/x".parse(), Ok(Target::File("/x".into())));
        assert!("x".parse::<Target>().is_err());
    }
}
