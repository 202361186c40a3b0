//! Destroys a container: ends its processes, removes its traces, runs its poststop hooks.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, anyhow};
use hook_exec::{Context, run_hook};
use hook_model::{Phase, State, Status, tree};
use hook_tree::names;

use super::hooks;
use crate::cgroup::{self, Cgroup};
use crate::lxc::tools;
use crate::mountpoint;
use crate::process::Process;
use crate::record::Record;
use crate::records::Records;
use crate::request::Runtime;
use crate::store::{Container, LOCK};
use crate::sys;

/// What becomes of the hooks' directory before it is removed.
const HOOKS_THAT_RAN: &str = "hooks.ran";

/// How long killed processes may take to end. A process in an uninterruptible sleep cannot be ended sooner.
const END: Duration = Duration::from_secs(10);

/// Ends and removes the container. Cleaning goes on after an error; the result holds every error met.
///
/// Failing poststop hooks are warnings, as the spec wants it (runtime.md, Lifecycle, step 13).
/// The caller holds the lock.
pub fn destroy(
    runtime: &Runtime,
    container: &Container,
    mut state: State,
    record: Option<Record>,
) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut keep = |result: anyhow::Result<()>| errors.extend(result.err());
    if let Some(record) = &record {
        if let Some(destroyer) = record.destroyer {
            let ended = destroyer.end_with_descendants();
            keep(ended.context("end the lxc-destroy of a command that was killed"));
        }
        for error in end_processes(record) {
            keep(Err(error));
        }
        match mountpoint::release(&record.rootfs) {
            Ok(true) => {}
            Ok(false) => log::debug!("another container uses {}/.lxcri", record.rootfs.display()),
            Err(e) => {
                keep(Err(anyhow!(e)).context(format!("remove {}/.lxcri", record.rootfs.display())))
            }
        }
        if let Some(cgroup) = &record.cgroup {
            for error in Cgroup::from_record(cgroup.clone()).remove(Instant::now() + END) {
                keep(Err(anyhow!(error)).context("remove cgroup"));
            }
        }
    }
    state.status = Status::Stopped;
    state.pid = None;
    let created_with = record.as_ref().and_then(|r| r.hooks_log.as_deref());
    let copy = runtime.hooks_log.as_deref().or(created_with);
    // Before the container began to exist, no hook has run to which a poststop hook would be the other half, and the tree
    // may be unfinished.
    let begun = record
        .as_ref()
        .and_then(|r| r.cgroup.as_ref())
        .is_some_and(|c| c.state == cgroup::State::Made);
    if begun {
        let records = Records::of(container, copy);
        keep(poststop(
            runtime,
            container,
            &state,
            record.clone(),
            &records,
        ));
    }
    tools::remove_lock(container, &runtime.root);
    if let Err(e) = remove(&container.dir) {
        keep(Err(anyhow!(e)).context(format!("remove {}", container.dir.display())));
    }
    errors
}

/// Removes a container's directory, the lock last: whoever finds the lock gone makes another one, and must not find hooks that
/// have run.
fn remove(dir: &Path) -> io::Result<()> {
    let missing_is_fine = |result: io::Result<()>| match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    // At once: the hooks have run, and a command that goes on after this one was killed must not find a part of them.
    missing_is_fine(fs::rename(dir.join(names::HOOKS), dir.join(HOOKS_THAT_RAN)))?;
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) => return missing_is_fine(Err(e)),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        missing_is_fine(match entry.file_type()?.is_dir() {
            true => remove_directory(&entry.path()),
            false => fs::remove_file(entry.path()),
        })?;
    }
    missing_is_fine(fs::remove_file(dir.join(LOCK)))?;
    match fs::remove_dir(dir) {
        // Another command that deletes has made its lock, and finds nothing but that.
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        other => missing_is_fine(other),
    }
}

/// Removes a directory with all that is in it. Hooks may be many, and where they lie is known.
fn remove_directory(dir: &Path) -> io::Result<()> {
    match dir.file_name() {
        Some(name) if name == HOOKS_THAT_RAN => tree::remove(dir),
        Some(name) if name == names::GUEST => tree::remove(&dir.join(names::HOOKS)),
        _ => {}
    }
    fs::remove_dir_all(dir)
}

/// Goes on after an error: what one way cannot end, another may.
fn end_processes(record: &Record) -> Vec<Error> {
    let mut errors = Vec::new();
    if let Some(init) = record.init
        && let Err(e) = init.signal(libc::SIGKILL)
    {
        errors.push(anyhow!(e).context(format!("pidfd_send_signal({}, SIGKILL)", init.pid)));
    }
    // What joined the container, or lives in a shared pid namespace, or was left by a command that was killed.
    if let Some(cgroup) = record.cgroup.clone().map(Cgroup::from_record)
        && let Err(e) = cgroup.signal_all(libc::SIGKILL)
    {
        errors.push(anyhow!(e).context("kill the processes of the cgroup"));
    }
    if let Some(init) = record.init {
        match init.wait_gone(END) {
            Ok(true) => {}
            Ok(false) => errors.push(anyhow!(
                "process {} does not end {} s after SIGKILL",
                init.pid,
                END.as_secs()
            )),
            Err(e) => errors.push(anyhow!(e).context(format!("wait for process {}", init.pid))),
        }
    }
    errors
}

/// Runs the poststop hooks through `lxc.hook.destroy`. If that fails, those that left no record are run from here: no hook is lost
/// because LXC could not be executed.
fn poststop(
    runtime: &Runtime,
    container: &Container,
    state: &State,
    record: Option<Record>,
    records: &Records,
) -> anyhow::Result<()> {
    let set = hooks::read(container, Phase::Poststop)?;
    let wanted = set.get(Phase::Poststop);
    if wanted.is_empty() {
        return Ok(());
    }
    let known = records.length();
    // The sum of all timeouts, if every hook has one.
    let time = wanted.iter().map(|hook| hook.deadline()).sum();
    let note = |pid| {
        let (Some(mut record), Ok(process)) = (record, Process::of(pid)) else {
            return;
        };
        record.destroyer = Some(process);
        if let Err(e) = container.write_record(&record) {
            log::debug!("{}", crate::errors::one_line(&e));
        }
    };
    // The launcher reads the state, and must not tell the hooks of a container that runs.
    let destroyed = container
        .write_state(state)
        .and_then(|()| tools::destroy(container, &runtime.root, time, note));
    if let Err(e) = &destroyed {
        log::warn!("{}", crate::errors::one_line(e));
    }
    let ran = records.copy_from(known)?;
    for record in &ran {
        if let Some(failure) = record.failure() {
            log::warn!("{failure}");
        }
    }
    if destroyed.is_ok() {
        let lost = wanted.len().saturating_sub(ran.len());
        if lost > 0 {
            log::warn!("the records of {lost} poststop hooks are lost");
        }
        return Ok(());
    }
    let json = state.to_json()?;
    // As the launcher does it when the engine has taken the bundle away.
    let bundle = Some(state.bundle.as_path()).filter(|bundle| bundle.is_dir());
    let directory = bundle.unwrap_or(Path::new("/"));
    for (index, hook) in (1u32..).zip(wanted) {
        if !ran
            .iter()
            .any(|r| r.phase == Phase::Poststop && r.index == index)
        {
            let run = || {
                let context = Context {
                    die_with_caller: true,
                    ..Context::new(&json, directory)
                };
                let record = run_hook(hook, Phase::Poststop, index, &context);
                records.add(&record);
                if let Some(failure) = record.failure() {
                    log::warn!("{failure}");
                }
            };
            // A hook may kill its parent. It must neither keep the others from running nor the container from going away.
            if !sys::apart(run).context("fork")? {
                let path = hook.path.display();
                log::warn!("poststop hook {index} ({path}) ended the process that ran it");
            }
        }
    }
    Ok(())
}

/// One error for several, on one line.
pub fn join(errors: Vec<Error>) -> anyhow::Result<()> {
    if errors.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = errors.iter().map(crate::errors::one_line).collect();
    Err(anyhow!("{}", texts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_removed_last() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("c1");
        fs::create_dir_all(dir.join("hooks/poststop/1")).unwrap();
        for name in ["a", LOCK, "record.json", "z", "hooks/poststop/1/cmdline"] {
            fs::write(dir.join(name), "").unwrap();
        }
        let watch = nix::sys::inotify::Inotify::init(nix::sys::inotify::InitFlags::IN_NONBLOCK);
        let watch = watch.unwrap();
        let removed = nix::sys::inotify::AddWatchFlags::IN_DELETE;
        watch.add_watch(&dir, removed).unwrap();
        remove(&dir).unwrap();
        let events = watch.read_events().unwrap();
        let names: Vec<_> = events.into_iter().filter_map(|event| event.name).collect();
        assert_eq!(names.len(), 5);
        assert_eq!(names[4], LOCK);
        assert!(names.iter().any(|n| n == HOOKS_THAT_RAN), "{names:?}");
        assert!(!dir.exists());
        remove(&dir).unwrap();
    }
}
