//! What is told about a container.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::settings::{Format, Wanted};

/// An event, as it stands in a line of JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The marks are set: no start is missed from now on. Said once.
    Ready {
        /// The programs that are watched.
        runtimes: Vec<PathBuf>,
    },
    /// A container starts, or was found running.
    Added {
        /// The container.
        #[serde(flatten)]
        container: About,
        /// Whether its program waits until the prestart hooks have finished.
        gated: bool,
        /// Whether it was there before us.
        adopted: bool,
    },
    /// Its configuration; comes before `Added`.
    Config {
        /// The container.
        #[serde(flatten)]
        container: About,
        /// config.json as it stands.
        config: Box<RawValue>,
    },
    /// It has ended.
    Removed {
        /// The container.
        #[serde(flatten)]
        container: About,
        /// As in `Added`.
        gated: bool,
    },
}

/// Which container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its id towards the runtime.
    pub id: String,
    /// Its first process in the initial pid namespace.
    pub pid: i32,
    /// When that started, in clock ticks since boot: with the pid it names the process for good.
    pub start: u64,
    /// Its bundle; for LXC the directory of its configuration.
    pub bundle: PathBuf,
    /// Name of the runtime.
    pub runtime: String,
}

impl Event {
    /// Whether it is wanted.
    pub fn is_wanted(&self, wanted: Wanted) -> bool {
        match self {
            Event::Ready { .. } => true,
            Event::Added { .. } => wanted.added,
            Event::Config { .. } => wanted.config,
            Event::Removed { .. } => wanted.removed,
        }
    }

    /// The line, with a newline at its end.
    pub fn line(&self, format: Format) -> String {
        let mut line = match format {
            Format::Json => serde_json::to_string(self).unwrap_or_default(),
            Format::Text => self.text(),
        };
        line.push('\n');
        line
    }

    fn text(&self) -> String {
        match self {
            Event::Ready { runtimes } => {
                let paths: Vec<_> = runtimes.iter().map(|p| p.display().to_string()).collect();
                format!("ready {}", paths.join(" "))
            }
            Event::Added {
                container,
                gated,
                adopted,
            } => {
                let how = match (gated, adopted) {
                    (true, _) => "gated",
                    (false, true) => "adopted",
                    (false, false) => "late",
                };
                format!("added {container} {how}")
            }
            Event::Config { container, config } => {
                format!("config {container} {}", one_line(config.get()))
            }
            Event::Removed { container, .. } => format!("removed {container}"),
        }
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let About {
            id,
            pid,
            bundle,
            runtime,
            ..
        } = self;
        // An id or a path may hold a newline or a terminal's control sequence.
        let plain = format!("{runtime} {id} pid {pid} bundle {}", bundle.display());
        f.write_str(&plain.replace(char::is_control, "?"))
    }
}

/// JSON with its newlines, which stand only between tokens, taken out.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About {
            id: "c1".into(),
            pid: 42,
            start: 7,
            bundle: "/b".into(),
            runtime: "runc".into(),
        }
    }

    #[test]
    fn lines() {
        let added = Event::Added {
            container: about(),
            gated: true,
            adopted: false,
        };
        assert_eq!(
            added.line(Format::Json),
            "{\"event\":\"added\",\"id\":\"c1\",\"pid\":42,\"start\":7,\"bundle\":\"/b\",\"runtime\":\"runc\",\"gated\":true,\"adopted\":false}\n"
        );
        assert_eq!(
            added.line(Format::Text),
            "added runc c1 pid 42 bundle /b gated\n"
        );
        let config = Event::Config {
            container: about(),
            config: RawValue::from_string("{\n \"a\": 1\n}".into()).unwrap(),
        };
        assert_eq!(
            config.line(Format::Text),
            "config runc c1 pid 42 bundle /b { \"a\": 1}\n"
        );
    }

    #[test]
    fn a_name_cannot_forge_a_line() {
        let forged = About {
            id: "x\nremoved y".into(),
            ..about()
        };
        let removed = Event::Removed {
            container: forged,
            gated: true,
        };
        for format in [Format::Text, Format::Json] {
            assert_eq!(removed.line(format).matches('\n').count(), 1);
        }
    }
}
