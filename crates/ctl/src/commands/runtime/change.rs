//! `lxcri-ctl runtime configure` and `unconfigure`: changes an engine's files, or shows how they would change.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine_config::{Engine, Plan, Restart, Runtime, Status, Store, Target, containers_of};

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
    let target = begin(&store, &options.files, &options.change)?;
    carry_out(&store, &target, &options.change, || {
        let mut plan = Plan::configure(&store, &target, &runtime)?;
        plan.warnings.extend(conflicts(target.engine));
        Ok(plan)
    })
}

/// Makes an engine forget a runtime.
pub fn unconfigure(options: &Unconfigure) -> Result<()> {
    engine_config::check_name(&options.name)?;
    let store = Store::new(&options.files.state);
    let target = begin(&store, &options.files, &options.change)?;
    let signal = restart(&options.change) == Restart::Signal;
    carry_out(&store, &target, &options.change, || {
        let mut plan = Plan::unconfigure(&store, &target, &options.name)?;
        if signal && target.engine == Engine::Docker && plan.drops_default()? {
            // Tried with dockerd 20.10 and 28.5: at SIGHUP it sets what its file says, and keeps what the file no longer
            // mentions.
            bail!(
                "dockerd forgets a default runtime only when it starts again: use --restart systemd"
            );
        }
        plan.warnings.extend(users(&store, &target, &options.name));
        Ok(plan)
    })
}

/// Decides which files are meant, and checks what can be checked before they are read.
fn begin(store: &Store, files: &cli::Files, change: &Change) -> Result<Target> {
    let target = target(files, store)?;
    restart(change).check(target.engine)?;
    Ok(target)
}

/// Shows or makes the changes, and tells the engine. What changes nothing does not even take the lock, which is a file.
fn carry_out<'a>(
    store: &Store,
    target: &Target,
    change: &Change,
    plan: impl Fn() -> Result<Plan<'a>>,
) -> Result<()> {
    let mut now = plan()?;
    if change.dry_run {
        warn_all(&now);
        let diffs: Vec<String> = now
            .changes
            .iter()
            .map(engine_config::Change::diff)
            .collect();
        return print(&diffs.concat());
    }
    if !now.is_empty() {
        let lock = store.lock()?;
        // Somebody else may have held it until now.
        now = plan()?;
        now.apply(&lock)?;
    }
    warn_all(&now);
    print(&said(&now))?;
    restart(change)
        .run(target.engine)
        .context("the files are written, but the engine does not know")
}

fn warn_all(plan: &Plan<'_>) {
    for warning in &plan.warnings {
        warn(warning);
    }
}

/// What has been done.
fn said(plan: &Plan<'_>) -> String {
    if plan.changes.is_empty() {
        return "nothing to change\n".to_owned();
    }
    let lines = plan.changes.iter().map(|change| {
        let verb = match (&change.before, &change.after) {
            (None, _) => "made",
            (_, None) => "removed",
            _ => "changed",
        };
        format!("{verb} {}\n", change.path.display())
    });
    lines.collect()
}

fn restart(change: &Change) -> Restart {
    match change.restart {
        cli::Restart::None => Restart::None,
        cli::Restart::Signal => Restart::Signal,
        cli::Restart::Systemd => Restart::Systemd,
    }
}

/// An engine that no longer knows the runtime of a living container cannot stop or delete it properly.
fn users(store: &Store, target: &Target, name: &str) -> Option<String> {
    let status = Status::read(store, target).ok()?;
    let program = &status.effective.runtimes.get(name)?.value;
    let containers = containers_of(Path::new(program));
    (!containers.is_empty()).then(|| {
        format!(
            "containers that were made with {program} are alive, and their engine may need it to stop and delete them: {}",
            containers.join(", ")
        )
    })
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
