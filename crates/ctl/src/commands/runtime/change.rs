//! `lxcri-ctl runtime configure` and `unconfigure`: changes an engine's files, or shows how they would change.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine_config::{Engine, Lock, Plan, Restart, Runtime, Status, Store, Target, containers_of};

use super::{conflicts, target};
use crate::cli::runtime::{self as cli, Change, Configure, Unconfigure};
use crate::output::{print, warn};

/// The program that is configured unless another one is named.
const USUAL: &str = "lxcri-inject";

/// Makes a runtime known to an engine.
pub fn configure(options: &Configure) -> Result<()> {
    let path = match &options.path {
        Some(path) => std::path::absolute(path)?,
        None => beside_us()?,
    };
    executable(&path)?;
    let runtime = Runtime::new(&options.name, &path, options.set_default)?;
    let store = Store::new(&options.files.state);
    let (lock, target) = begin(&store, &options.files, &options.change)?;
    let mut plan = Plan::configure(&store, &target, &runtime)?;
    plan.warnings.extend(conflicts(target.engine));
    finish(&plan, lock.as_ref(), target.engine, &options.change)
}

/// Makes an engine forget a runtime.
pub fn unconfigure(options: &Unconfigure) -> Result<()> {
    engine_config::check_name(&options.name)?;
    let store = Store::new(&options.files.state);
    let (lock, target) = begin(&store, &options.files, &options.change)?;
    let plan = Plan::unconfigure(&store, &target, &options.name)?;
    if restart(&options.change) == Restart::Signal
        && target.engine == Engine::Docker
        && plan.drops_default()?
    {
        // Tried with dockerd 20.10 and 28.5: at SIGHUP it sets what its file says, and keeps what the file no longer mentions.
        bail!("dockerd forgets a default runtime only when it starts again: use --restart systemd");
    }
    warn_of_users(&store, &target, &options.name);
    finish(&plan, lock.as_ref(), target.engine, &options.change)
}

/// Checks what can be checked before anything is locked or read. A dry run takes no lock, because it makes no file.
fn begin(store: &Store, files: &cli::Files, change: &Change) -> Result<(Option<Lock>, Target)> {
    let target = target(files, store)?;
    restart(change).check(target.engine)?;
    if change.dry_run {
        return Ok((None, target));
    }
    Ok((Some(store.lock()?), target))
}

/// Shows or makes the changes, and tells the engine.
fn finish(plan: &Plan<'_>, lock: Option<&Lock>, engine: Engine, change: &Change) -> Result<()> {
    for warning in &plan.warnings {
        warn(warning);
    }
    let Some(lock) = lock else {
        let diffs: Vec<String> = plan
            .changes
            .iter()
            .map(engine_config::Change::diff)
            .collect();
        return print(&diffs.concat());
    };
    plan.apply(lock)?;
    let mut said = String::new();
    for change in &plan.changes {
        let verb = match (&change.before, &change.after) {
            (None, _) => "made",
            (_, None) => "removed",
            _ => "changed",
        };
        said += &format!("{verb} {}\n", change.path.display());
    }
    if plan.changes.is_empty() {
        said += "nothing to change\n";
    }
    print(&said)?;
    restart(change)
        .run(engine)
        .context("the files are written, but the engine does not know")
}

fn restart(change: &Change) -> Restart {
    match change.restart {
        cli::Restart::None => Restart::None,
        cli::Restart::Signal => Restart::Signal,
        cli::Restart::Systemd => Restart::Systemd,
    }
}

/// An engine that no longer knows the runtime of a living container cannot stop or delete it properly.
fn warn_of_users(store: &Store, target: &Target, name: &str) {
    let Ok(status) = Status::read(store, target) else {
        return;
    };
    let Some(found) = status.effective.runtimes.get(name) else {
        return;
    };
    let containers = containers_of(Path::new(&found.value));
    if !containers.is_empty() {
        warn(&format!(
            "containers that were made with {} are alive, and their engine may need it to stop and delete them: {}",
            found.value,
            containers.join(", ")
        ));
    }
}

fn beside_us() -> Result<PathBuf> {
    let us = std::env::current_exe().context("find this program")?;
    Ok(us.with_file_name(USUAL))
}

/// An engine whose default runtime cannot be executed makes no containers any more.
fn executable(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).with_context(|| format!("runtime {}", path.display()))?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        bail!("runtime {}: not an executable file", path.display());
    }
    Ok(())
}
