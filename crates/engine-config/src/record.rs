//! What has been done to one engine's files, so that it can be undone.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::Engine;
use crate::runtime::Runtime;

/// The record of one engine with one configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Record {
    /// The engine.
    pub engine: Engine,
    /// Its configuration file.
    pub config: PathBuf,
    /// Our file, for the engines that have drop-ins.
    pub drop_in: Option<PathBuf>,
    /// The runtimes that have been configured, in that order.
    pub runtimes: Vec<Runtime>,
    /// The files that have been written.
    pub files: Vec<Written>,
    /// The directories that have been made, the outermost first.
    pub directories: Vec<PathBuf>,
}

/// One file that has been written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Written {
    /// The file.
    pub path: PathBuf,
    /// The name of the backup beside the record; `None` when there was no file.
    pub backup: Option<String>,
    /// The SHA-256 of what has been written, in hexadecimal digits.
    pub sha256: String,
}

impl Record {
    pub fn written(&self, path: &Path) -> Option<&Written> {
        self.files.iter().find(|f| f.path == path)
    }

    pub fn backups(&self) -> Vec<&String> {
        self.files
            .iter()
            .filter_map(|f| f.backup.as_ref())
            .collect()
    }

    pub fn names(&self) -> Vec<&str> {
        self.runtimes.iter().map(|r| r.name.as_str()).collect()
    }
}

impl Written {
    /// Whether this is what has been written.
    pub fn is(&self, content: &str) -> bool {
        digest(content) == self.sha256
    }
}

/// The SHA-256 of a text in hexadecimal digits.
pub(crate) fn digest(text: impl AsRef<[u8]>) -> String {
    let digest = Sha256::digest(text.as_ref());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
