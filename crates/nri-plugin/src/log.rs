//! Log lines with fields: to stderr, to syslog, or to a file.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Map, Value};

/// Where syslog listens.
const SYSLOG: &str = "/dev/log";
/// Lines that may wait to be written.
const WAITING_MAX: usize = 1000;
/// How long the end of the program waits for them.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);
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

/// A line on its way to the thread that writes.
enum Order {
    Write(Target, Level, String),
    /// Says that everything before is written.
    Flush(SyncSender<()>),
}

/// The program's log.
///
/// A thread of its own writes: the engine must not wait for a terminal that is stopped, a journal that is busy, or a disk. Lines that
/// come while a thousand others wait are counted instead.
#[derive(Debug)]
pub struct Log {
    settings: RwLock<(Target, Format)>,
    orders: SyncSender<Order>,
    lost: AtomicU64,
}

impl Log {
    /// A log to `target`.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(target: Target, format: Format) -> io::Result<Log> {
        let (orders, incoming) = mpsc::sync_channel(WAITING_MAX);
        let thread = thread::Builder::new().name("log".to_owned());
        thread.spawn(move || incoming.into_iter().for_each(carry_out))?;
        Ok(Log {
            settings: RwLock::new((target, format)),
            orders,
            lost: AtomicU64::new(0),
        })
    }

    /// From now on elsewhere, or otherwise.
    pub fn redirect(&self, target: Target, format: Format) {
        *self.settings.write().unwrap_or_else(|e| e.into_inner()) = (target, format);
    }

    /// Where lines go now.
    pub fn target(&self) -> Target {
        let settings = self.settings.read().unwrap_or_else(|e| e.into_inner());
        settings.0.clone()
    }

    /// Writes a line, to stderr if it cannot be written where it should be. That must not stop the plugin, so that nothing more is
    /// tried.
    pub fn write(&self, level: Level, message: &str, fields: &[(&str, Value)]) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 && !self.send(Level::Warning, "log lines lost", &[("count", lost.into())]) {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
        if !self.send(level, message, fields) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send(&self, level: Level, message: &str, fields: &[(&str, Value)]) -> bool {
        let (target, format) = self
            .settings
            .read()
            .unwrap_or_else(|e| e.into_inner())
            .clone();
        let line = line(format, level, message, fields);
        self.orders
            .try_send(Order::Write(target, level, line))
            .is_ok()
    }

    /// Waits until everything is written, but not long: the program is about to end.
    pub fn flush(&self) {
        let (written, answer) = mpsc::sync_channel(1);
        if self.orders.try_send(Order::Flush(written)).is_ok() {
            let _ = answer.recv_timeout(FLUSH_PATIENCE);
        }
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

fn carry_out(order: Order) {
    match order {
        Order::Write(target, level, line) => {
            let written = match target {
                Target::Stderr => Err(io::ErrorKind::Unsupported.into()),
                Target::File(path) => append(path, &line),
                Target::Syslog => to_syslog(Path::new(SYSLOG), level, &line),
            };
            let _ = written.or_else(|_| io::stderr().write_all(line.as_bytes()));
        }
        Order::Flush(written) => drop(written.send(())),
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

fn to_syslog(path: &Path, level: Level, line: &str) -> io::Result<()> {
    let priority = DAEMON | level.severity();
    let pid = std::process::id();
    let packet = format!("<{priority}>lxcri-nri[{pid}]: {}", line.trim_end());
    let socket = UnixDatagram::unbound()?;
    // A system log that does not read must not hold up the engine.
    socket.set_nonblocking(true)?;
    socket.send_to(packet.as_bytes(), path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::{BufRead, BufReader};

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
        let log = Log::start(Target::File(path.clone()), Format::Text).unwrap();
        log.info("first", &[]);
        log.flush();
        std::fs::rename(&path, directory.path().join("old")).unwrap();
        log.error("second", &[]);
        log.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("second") && !text.contains("first"), "{text}");
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_nobody_waits() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // Opening it for writing blocks the thread until somebody reads.
        let log = Log::start(Target::File(fifo.clone()), Format::Text).unwrap();
        let mut sent = WAITING_MAX + 100;
        (0..sent).for_each(|_| log.info("m", &[]));
        let reader = thread::spawn(move || {
            // Open for writing as well, so that there is no end between two lines.
            let file = OpenOptions::new().read(true).write(true).open(&fifo);
            let lines = BufReader::new(file.unwrap()).lines().map(Result::unwrap);
            let text: Vec<String> = lines.take_while(|l| !l.contains("last")).collect();
            text.join("\n")
        });
        while log.lost.load(Ordering::Relaxed) > 0 {
            log.info("m", &[]);
            sent += 1;
            thread::yield_now();
        }
        while !log.send(Level::Info, "last", &[]) {
            thread::yield_now();
        }
        let text = reader.join().unwrap();
        let written = text.matches("msg=\"m\"").count();
        let lost: usize = text
            .lines()
            .filter_map(|line| line.split_once("msg=\"log lines lost\" count="))
            .map(|(_, count)| count.parse::<usize>().unwrap())
            .sum();
        assert_eq!(written + lost, sent);
        assert!(lost >= 98, "{lost}");
    }

    #[test]
    fn syslog_gets_facility_and_severity() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let line = line(Format::Text, Level::Error, "m", &[]);
        to_syslog(&path, Level::Error, &line).unwrap();
        let mut packet = [0; 200];
        let length = daemon.recv(&mut packet).unwrap();
        let text = std::str::from_utf8(&packet[..length]).unwrap();
        let pid = std::process::id();
        assert!(
            text.starts_with(&format!("<27>lxcri-nri[{pid}]: time=")),
            "{text}"
        );
        assert!(text.ends_with("level=error msg=\"m\""), "{text}");
    }

    #[test]
    fn targets_as_typed() {
        assert_eq!("stderr".parse(), Ok(Target::Stderr));
        assert_eq!("/x".parse(), Ok(Target::File("/x".into())));
        assert!("x".parse::<Target>().is_err());
    }
}
