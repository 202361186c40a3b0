//! The command line of an OCI runtime, as far as an injection depends on it. Nothing of it is changed.

mod options;
mod scan;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use options::{COMMAND, GLOBAL};
use scan::{Scan, Token};

/// What a command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Whether and where hooks have to be put in.
    pub action: Action,
    /// The engine's log file.
    pub log: Option<PathBuf>,
    /// Its format.
    pub log_format: LogFormat,
}

/// Whether and where hooks have to be put in.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Nothing is created, or the call is wrong and the runtime will say so.
    #[default]
    PassOn,
    /// A container is created from a bundle.
    Create {
        /// The directory with config.json; may be relative.
        bundle: PathBuf,
        /// The argument of an option that makes the runtime read another file than config.json.
        other_config: Option<OsString>,
    },
}

/// The formats of the engine's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `time="…" level=error msg="…"`
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Call {
    /// Reads the arguments without argv\[0\].
    pub fn parse<A: AsRef<OsStr>>(args: &[A]) -> Call {
        let words: Vec<&[u8]> = args.iter().map(|arg| arg.as_ref().as_bytes()).collect();
        let mut call = Call::default();
        let mut scan = Scan::new(&words);
        let verb = loop {
            match scan.next(&GLOBAL) {
                Some(Token::Word(word)) => break word,
                // The runtime prints that, and nothing else happens whatever the command is. Only Go's take a value here.
                Some(Token::Option {
                    name: "help" | "usage" | "version",
                    value: b"",
                }) => return call,
                Some(Token::Option { name, value }) => call.log_option(name, value),
                Some(Token::Unknown { has_value: true }) => {}
                Some(Token::Unknown { has_value: false }) => scan.skip_value_of_unknown(),
                Some(Token::ValueMissing) | None => return call,
            }
        };
        if verb == b"create" || verb == b"run" {
            call.create(scan.behind_command());
        }
        call
    }

    fn create(&mut self, mut scan: Scan<'_>) {
        let mut bundle = PathBuf::from(".");
        let mut other_config = None;
        while let Some(token) = scan.next(&COMMAND) {
            match token {
                // The runtime prints its help.
                Token::Option {
                    name: "help" | "usage",
                    value: b"",
                }
                | Token::ValueMissing => return,
                Token::Option {
                    name: "bundle",
                    value,
                } if !value.is_empty() => bundle = path(value),
                Token::Option { name: "bundle", .. } => bundle = PathBuf::from("."),
                // Another option of lxcri, which takes it after the command as well, but has no letter for it.
                Token::Option {
                    name: "config",
                    value,
                } if value.ends_with(b".toml") => {}
                Token::Option {
                    name: "config" | "f",
                    value,
                } => {
                    other_config = Some(OsStr::from_bytes(value).to_owned());
                }
                Token::Option { name, value } => self.log_option(name, value),
                Token::Word(_) | Token::Unknown { .. } => {}
            }
        }
        self.action = Action::Create {
            bundle,
            other_config,
        };
    }

    fn log_option(&mut self, name: &str, value: &[u8]) {
        match name {
            "log" => self.log = log_file(value),
            "log-format" if value == b"json" => self.log_format = LogFormat::Json,
            "log-format" => self.log_format = LogFormat::Text,
            _ => {}
        }
    }
}

/// crun knows other places for messages as well; those are not written to.
fn log_file(value: &[u8]) -> Option<PathBuf> {
    if value.starts_with(b"journald:") || value.starts_with(b"syslog:") {
        return None;
    }
    let file = value.strip_prefix(b"file:").unwrap_or(value);
    (!file.is_empty()).then(|| path(file))
}

fn path(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes).into()
}
