//! Turns the options as typed into resolved settings, once.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cli;
use crate::request::{Request, Runtime, Terminals};

/// The global options, resolved.
pub fn runtime(global: &cli::Global) -> Result<Runtime> {
    Ok(Runtime {
        root: absolute(&global.root)?,
        systemd_cgroup: global.systemd_cgroup,
        hooks_log: global.hooks_log.as_deref().map(absolute).transpose()?,
        config: global.config.clone(),
    })
}

/// What is to be created.
pub fn request(options: cli::Create) -> Result<Request> {
    let bundle = std::fs::canonicalize(&options.bundle)
        .with_context(|| format!("bundle {}", options.bundle.display()))?;
    Ok(Request {
        id: options.id,
        bundle,
        pid_file: options.pid_file.as_deref().map(absolute).transpose()?,
        terminals: options
            .console_socket
            .as_deref()
            .map(absolute)
            .transpose()?
            .map_or(Terminals::None, Terminals::Socket),
        new_keyring: !options.no_new_keyring,
        preserve_fds: options.preserve_fds,
        hooks_dirs: options
            .hooks_dir
            .iter()
            .map(|dir| absolute(dir))
            .collect::<Result<_>>()?,
    })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("path {}", path.display()))
}
