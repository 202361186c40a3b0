//! The project's own configuration files: their keys, once. Checks, schemas and what is shown all come from these tables.

pub mod check;
pub mod schema;

use std::path::Path;

/// One configuration file.
#[derive(Debug)]
pub struct Settings {
    /// The program that reads it.
    pub program: &'static str,
    /// Where it is looked for.
    pub path: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// One key of a file.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What counts without it, as TOML; `None` for nothing.
    pub default: Option<&'static str>,
    /// What it is for.
    pub about: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An absolute path.
    Path,
    /// Absolute paths.
    Paths,
    /// Names of programs without a slash, or absolute paths; at least one.
    Programs,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// true or false.
    Flag,
}

// The same in both files.
const HOOKS_DIRS: &str =
    "directories with hook files; a later one overrides files of the same name";
const HOOKS_JSON: &str = "file with hooks as container-hooks-toolkit has it";
const ON_ERROR: Kind = Kind::Choice(&["fail", "skip"]);
const ON_ERROR_ABOUT: &str = "whether a bad hook file fails the container or is skipped";

/// /etc/lxcri/lxcri.toml
pub const LXCRI: Settings = Settings {
    program: "lxcri",
    path: "/etc/lxcri/lxcri.toml",
    keys: &[
        Key {
            name: "hooks-log",
            kind: Kind::Path,
            default: None,
            about: "file to which a line is appended for each hook that ran",
        },
        Key {
            name: "hooks-dirs",
            kind: Kind::Paths,
            default: Some("[]"),
            about: HOOKS_DIRS,
        },
        Key {
            name: "hooks-json",
            kind: Kind::Path,
            default: None,
            about: HOOKS_JSON,
        },
        Key {
            name: "hooks-on-error",
            kind: ON_ERROR,
            default: Some(r#""fail""#),
            about: ON_ERROR_ABOUT,
        },
    ],
};

/// /etc/lxcri/inject.toml
pub const INJECT: Settings = Settings {
    program: "lxcri-inject",
    path: inject::settings::PATH,
    keys: &[
        Key {
            name: "runtimes",
            kind: Kind::Programs,
            default: Some(r#"["runc", "crun"]"#),
            about: "runtimes, of which the first that can be executed is used",
        },
        Key {
            name: "hooks-dirs",
            kind: Kind::Paths,
            default: Some(
                r#"["/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d"]"#,
            ),
            about: HOOKS_DIRS,
        },
        Key {
            name: "hooks-json",
            kind: Kind::Path,
            default: None,
            about: HOOKS_JSON,
        },
        Key {
            name: "on-error",
            kind: ON_ERROR,
            default: Some(r#""fail""#),
            about: ON_ERROR_ABOUT,
        },
        Key {
            name: "access",
            kind: Kind::Choice(&["root-only", "anyone"]),
            default: Some(r#""root-only""#),
            about: "whether hook files that others than root can write to are refused",
        },
        Key {
            name: "fsync",
            kind: Kind::Flag,
            default: Some("false"),
            about: "whether config.json is on the disk before the runtime is executed",
        },
    ],
};

impl Settings {
    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Kind {
    /// What is wrong with a single word for this kind.
    pub fn objection(self, word: &str) -> Option<String> {
        match self {
            Kind::Path | Kind::Paths if !Path::new(word).is_absolute() => {
                Some(format!("{word:?} is not an absolute path"))
            }
            Kind::Programs
                if word.is_empty() || word.contains('/') && !Path::new(word).is_absolute() =>
            {
                Some(format!(
                    "{word:?} is neither an absolute path nor a bare name"
                ))
            }
            Kind::Choice(words) if !words.contains(&word) => {
                Some(format!("{word:?} is not one of {}", words.join(", ")))
            }
            Kind::Flag if !matches!(word, "true" | "false") => {
                Some(format!("{word:?} is neither true nor false"))
            }
            _ => None,
        }
    }

    /// Whether it takes several values.
    pub fn is_list(self) -> bool {
        matches!(self, Kind::Paths | Kind::Programs)
    }

    /// What it takes, for an error.
    pub fn describe(self) -> &'static str {
        match self {
            Kind::Path | Kind::Choice(_) => "a string",
            Kind::Paths | Kind::Programs => "an array of strings",
            Kind::Flag => "a boolean",
        }
    }
}
