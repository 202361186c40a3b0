//! What a runtime's command line asks for.

use std::path::{Path, PathBuf};

/// What a command line asks of a runtime, as far as it concerns us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Make a container up to the point before the program.
    Create,
    /// Execute the program of one that has been created.
    Start,
    /// Both.
    Run,
}

/// A command line that was understood. Paths are as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub verb: Verb,
    /// With which container.
    pub id: String,
    /// Directory of the bundle, if named.
    pub bundle: Option<PathBuf>,
    /// Root directory, if named.
    pub root: Option<PathBuf>,
    /// Configuration in place of the bundle's, if named.
    pub config: Option<PathBuf>,
    /// The container's program, if named on the command line (LXC only).
    pub program: Vec<String>,
    /// `KEY=VALUE` of the command line, which come after those of the configuration (LXC only).
    pub settings: Vec<String>,
}

impl Request {
    /// The start of an LXC container of which nothing but path and name is known.
    pub fn of_lxc(lxcpath: &Path, name: &str) -> Request {
        Request {
            verb: Verb::Run,
            id: name.to_owned(),
            bundle: None,
            root: Some(lxcpath.to_owned()),
            config: None,
            program: Vec::new(),
            settings: Vec::new(),
        }
    }
}
