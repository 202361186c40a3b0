//! Deciding which files of an engine are meant.

use std::path::{Path, PathBuf};

use crate::containerd::clean;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::file;
use crate::store::Store;
use crate::target::{Target, drop_in_directory};

impl Target {
    /// Decides which files are meant. `config` and `drop_in` go before the usual places; a drop-in that was written
    /// earlier stays where it is.
    ///
    /// # Errors
    /// A drop-in for Docker, which has none, or another one than earlier; a symlink that somebody else could change.
    pub fn new(
        store: &Store,
        engine: Engine,
        config: Option<&Path>,
        drop_in: Option<&Path>,
    ) -> Result<Target> {
        let config = absolute(config.unwrap_or(engine.default_config()))?;
        let usual = match engine {
            Engine::Docker => None,
            Engine::Containerd => Some(clean(&config.with_file_name("conf.d/99-lxcri.toml"))),
            Engine::Crio | Engine::Podman => Some(drop_in_directory(&config).join("99-lxcri.conf")),
        };
        let mut target = Target {
            engine,
            config: file::resolve(&config)?,
            named: config,
            drop_in: usual,
            containerd_major: None,
        };
        let recorded = store.load(&target)?.and_then(|record| record.drop_in);
        let mut given = drop_in.map(absolute).transpose()?;
        if engine == Engine::Containerd {
            given = given.as_deref().map(clean);
        }
        match (given, recorded) {
            (Some(_), _) if engine == Engine::Docker => {
                return Err(Error::Usage("docker has no drop-in files".into()));
            }
            (Some(given), Some(recorded)) if given != recorded => {
                let reason = format!("the drop-in is {}; unconfigure first", recorded.display());
                return Err(Error::file(&given, reason));
            }
            (Some(path), _) | (None, Some(path)) => target.drop_in = Some(path),
            (None, None) => {}
        }
        Ok(target)
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|e| Error::io("find", path, e))
}
