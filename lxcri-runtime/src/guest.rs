//! Writes the part of the container's directory that the container sees: launcher, settings, startContainer hooks.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use hook_model::{HookSet, Phase, State, tree};
use hook_tree::names;
use nix::sys::stat::Mode;

use crate::access::Access;
use crate::process_settings::InitFiles;
use crate::store::Container;

/// Makes the directory, in which the sync socket is bound.
pub fn make(container: &Container, access: Access) -> Result<()> {
    let path = container.file(names::GUEST);
    mkdir(&path)?;
    access.share(&path)
}

/// Writes the files of the directory. The caller gives them to whom they belong.
pub fn write(container: &Container, files: &InitFiles, hooks: &HookSet) -> Result<()> {
    let init = container.guest(names::INIT);
    mkdir(&init)?;
    file(&init.join(names::CALLS), &files.calls)?;
    // The installed launcher is mounted over this file; /run may be mounted with noexec, so a copy would not do.
    file(&container.guest(names::LAUNCHER), b"")?;
    let fifo = container.guest(names::SYNCFIFO);
    nix::unistd::mkfifo(&fifo, Mode::from_bits_truncate(0o600))
        .with_context(|| format!("mkfifo({})", fifo.display()))?;
    if !hooks.get(Phase::StartContainer).is_empty() {
        let options = tree::Options {
            process_env: Some(&files.process.environment),
            ..Default::default()
        };
        tree::write(
            &container.guest(names::HOOKS),
            hooks,
            &[Phase::StartContainer],
            &options,
        )?;
    }
    Ok(())
}

/// Replaces the state that hooks inside the container read.
pub fn write_state(
    container: &Container,
    state: &State,
    inner_pid: Option<i32>,
    access: Access,
) -> Result<()> {
    let state = State {
        pid: inner_pid,
        ..state.clone()
    };
    let path = container.guest(names::STATE);
    container.replace(&path, &state.to_json()?, 0o600)?;
    access.share(&path)
}

fn mkdir(path: &Path) -> Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .with_context(|| format!("mkdir({})", path.display()))
}

fn file(path: &Path, content: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?
            .write_all(content)
    };
    write().with_context(|| format!("write {}", path.display()))
}
