//! Pinned executables: which content the hooks at a path must have, from the moment of create until the container runs.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use anyhow::Result;
use hook_model::Hook;
use hooks_d::{Selected, pin};
use serde::{Deserialize, Serialize};

/// The pins of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins(Vec<Pin>);

/// One pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pin {
    /// The executable.
    path: PathBuf,
    /// Its digest in hexadecimal.
    sha256: String,
    /// The file with the pin.
    file: PathBuf,
}

impl Pins {
    /// The pins of hooks whose executables are as pinned now.
    ///
    /// # Errors
    /// At the first one that is not.
    pub fn check(hooks: &[Selected]) -> Result<Pins> {
        let mut pins = Vec::new();
        for selected in hooks {
            let Some(sha256) = selected.sha256 else {
                continue;
            };
            pin::verify(selected)?;
            let pin = Pin {
                path: selected.hook.path.clone(),
                sha256: sha256.to_string(),
                file: selected.file.clone(),
            };
            if !pins.contains(&pin) {
                pins.push(pin);
            }
        }
        Ok(Pins(pins))
    }

    /// The file to execute for a hook: the one that was compared with the pin, or `None` for the one at its path. The error
    /// is the reason why it must not run.
    pub fn open(&self, hook: &Hook) -> Result<Option<OwnedFd>, String> {
        let mut file = None;
        for pin in self.0.iter().filter(|pin| pin.path == hook.path) {
            let wrong = |reason: String| format!("pinned in {:?}: {reason}", pin.file);
            let sha256 = pin.sha256.parse().map_err(|e| wrong(format!("{e}")))?;
            file = pin::open(&hook.path, sha256).map_err(|e| wrong(e.to_string()))?;
        }
        Ok(file)
    }
}
