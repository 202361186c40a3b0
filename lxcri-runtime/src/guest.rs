//! Writes the part of the container's directory that the container sees: launcher, settings, startContainer hooks.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use hook_model::{HookSet, Phase, State, tree};
use hook_tree::names;
use nix::sys::stat::Mode;

use crate::process_settings::InitFiles;
use crate::store::Container;

/// Makes the directory, in which the sync socket is bound.
pub fn make(container: &Container) -> Result<()> {
    mkdir(&container.file(names::GUEST))
}

/// Writes the files of the directory. They can be read by whoever may enter the directory above, which is root, or in a
/// container with a user namespace its root.
pub fn write(container: &Container, files: &InitFiles, hooks: &HookSet) -> Result<()> {
    let init = container.guest(names::INIT);
    mkdir(&init)?;
    file(&init.join(names::CMDLINE), &files.cmdline)?;
    file(&init.join(names::ENVIRON), &files.environ)?;
    file(&init.join(names::SETTINGS), &files.settings)?;
    if let Some(seccomp) = &files.seccomp {
        file(&init.join(names::SECCOMP), seccomp)?;
    }
    // The installed launcher is mounted over this file; /run may be mounted with noexec, so a copy would not do.
    file(&container.guest(names::LAUNCHER), b"")?;
    let fifo = container.guest(names::SYNCFIFO);
    nix::unistd::mkfifo(&fifo, Mode::from_bits_truncate(0o600))
        .with_context(|| format!("mkfifo({})", fifo.display()))?;
    set_mode(&fifo, 0o666)?;
    if !hooks.get(Phase::StartContainer).is_empty() {
        let options = tree::Options {
            dir_mode: 0o755,
            file_mode: 0o644,
            process_env: Some(&files.environment),
            cwd: &[],
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
pub fn write_state(container: &Container, state: &State, inner_pid: Option<i32>) -> Result<()> {
    let state = State {
        pid: inner_pid,
        ..state.clone()
    };
    container.replace(&container.guest(names::STATE), &state.to_json()?, 0o644)
}

fn mkdir(path: &Path) -> Result<()> {
    DirBuilder::new()
        .mode(0o755)
        .create(path)
        .with_context(|| format!("mkdir({})", path.display()))?;
    set_mode(path, 0o755)
}

fn file(path: &Path, content: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(path)?
            .write_all(content)
    };
    write().with_context(|| format!("write {}", path.display()))?;
    set_mode(path, 0o644)
}

/// Whatever the caller's umask is.
fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("chmod({})", path.display()))
}
