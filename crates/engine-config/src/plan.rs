//! What configuring or unconfiguring a runtime comes to: changes of files, computed before anything is written.
//!
//! The engine's files without us are the *base*. What is written is always base plus the list of our runtimes, so that the
//! order in which they come and go does not matter, and with the last of them the base is back, byte for byte.

use std::path::{Path, PathBuf};

use crate::change::Change;
use crate::effective::Effective;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::file::{self, missing_directories};
use crate::record::{Record, Written, digest};
use crate::runtime::Runtime;
use crate::store::{Store, backup_name};
use crate::target::Target;
use crate::view::View;
use crate::{containerd, docker, document, layered};

/// Changes that have been worked out and not yet made.
#[derive(Debug)]
pub struct Plan<'a> {
    pub(crate) store: &'a Store,
    pub(crate) target: &'a Target,
    pub(crate) old: Option<Record>,
    pub(crate) new: Option<Record>,
    pub(crate) backups: Vec<(PathBuf, String)>,
    /// The files that change, in the order in which they are written.
    pub changes: Vec<Change>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

impl<'a> Plan<'a> {
    /// Makes the runtime known to the engine, or corrects what is known of it. A runtime that is the default already stays it.
    ///
    /// # Errors
    /// When a file cannot be read or is not as the engine wants it, or somebody else has given another runtime that name.
    pub fn configure(store: &'a Store, target: &'a Target, runtime: &Runtime) -> Result<Plan<'a>> {
        let known = Known::read(store, target, &[])?;
        let mut runtimes = known.runtimes();
        if !runtimes.iter().any(|r| r.name == runtime.name) {
            known.refuse_another(runtime)?;
        }
        match runtimes.iter_mut().find(|r| r.name == runtime.name) {
            Some(r) => {
                r.path.clone_from(&runtime.path);
                r.default |= runtime.default;
            }
            None => runtimes.push(runtime.clone()),
        }
        let mut plan = known.plan(runtimes)?;
        plan.warn_unless_used(runtime)?;
        Ok(plan)
    }

    /// Makes the engine forget the runtime of that name. What it is not configured with needs no change.
    ///
    /// # Errors
    /// When a file cannot be read or is not as the engine wants it.
    pub fn unconfigure(store: &'a Store, target: &'a Target, name: &str) -> Result<Plan<'a>> {
        let known = Known::read(store, target, &[name])?;
        let mut runtimes = known.runtimes();
        runtimes.retain(|r| r.name != name);
        known.plan(runtimes)
    }

    /// Whether nothing has to be done.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.old == self.new
    }

    /// Whether files name a default runtime now and none afterwards.
    ///
    /// # Errors
    /// When a file cannot be read or is not as the engine wants it.
    pub fn drops_default(&self) -> Result<bool> {
        let before = effective(self.target, &View::default())?;
        Ok(before.default.is_some() && self.effective()?.default.is_none())
    }

    /// What the engine will take from its files.
    fn effective(&self) -> Result<Effective> {
        let mut view = View::default();
        for change in &self.changes {
            view.put(&change.path, change.after.clone());
        }
        effective(self.target, &view)
    }

    /// A configured runtime that a later file overrides is none.
    fn warn_unless_used(&mut self, runtime: &Runtime) -> Result<()> {
        let effective = self.effective()?;
        let engine = self.target.engine;
        let name = &runtime.name;
        match effective.runtimes.get(name) {
            Some(found) if Path::new(&found.value) == runtime.path => {}
            Some(found) => self.warnings.push(format!(
                "{engine} would take {} for {name}, as {} says",
                found.value,
                found.file.display()
            )),
            None => self.warnings.push(format!(
                "{engine} would not see {name}: a later file goes before ours, or ours is not where {engine} looks"
            )),
        }
        if let Some(default) = effective
            .default
            .filter(|d| runtime.default && &d.value != name)
        {
            self.warnings.push(format!(
                "{engine}'s default stays {}, as {} says",
                default.value,
                default.file.display()
            ));
        }
        self.warnings.extend(effective.warnings);
        Ok(())
    }
}

/// What an engine takes from its files as a view shows them.
pub(crate) fn effective(target: &Target, view: &View) -> Result<Effective> {
    match target.engine {
        Engine::Docker => docker::effective(&target.config, view.read(&target.config)?.as_deref()),
        Engine::Containerd => containerd::effective(target, view),
        Engine::Crio | Engine::Podman => layered::effective(target, view),
    }
}

/// The files as they are, and as they would be without us.
struct Known<'a> {
    store: &'a Store,
    target: &'a Target,
    record: Option<Record>,
    /// The user's own file.
    config: Option<String>,
    /// The same without us.
    base: Option<String>,
    /// Our file.
    drop_in: Option<String>,
    warnings: Vec<String>,
    backups: Vec<(PathBuf, String)>,
}

impl<'a> Known<'a> {
    /// Reads all that is there. `names` are runtimes that are ours even if there is no record of it.
    fn read(store: &'a Store, target: &'a Target, names: &[&str]) -> Result<Known<'a>> {
        let record = store.load(target)?;
        let mut known = Known {
            store,
            target,
            config: file::read(&target.config)?,
            base: None,
            drop_in: None,
            warnings: Vec::new(),
            backups: Vec::new(),
            record,
        };
        known.base = known.without_us(names)?;
        known.read_drop_in()?;
        Ok(known)
    }

    fn runtimes(&self) -> Vec<Runtime> {
        self.record
            .as_ref()
            .map(|r| r.runtimes.clone())
            .unwrap_or_default()
    }

    /// The user's file as it would be without us: the backup, or if that is gone or somebody has changed the file since,
    /// what is left when our part is taken out.
    fn without_us(&self, names: &[&str]) -> Result<Option<String>> {
        let Some(now) = &self.config else {
            return Ok(None);
        };
        let record = self.record.as_ref();
        let written = record.and_then(|r| r.written(&self.target.config));
        let backup = written.and_then(|w| w.backup.as_ref());
        let before = match backup {
            Some(name) => file::read(&self.store.backup(self.target, name))?,
            None => None,
        };
        if written.is_some_and(|w| w.is(now)) && (backup.is_none() || before.is_some()) {
            // It may have had the runtime before us.
            return before
                .map(|text| self.strip(&text, names, None))
                .transpose();
        }
        let mut ours = record.map(Record::names).unwrap_or_default();
        ours.extend(names);
        self.strip(now, &ours, before.as_deref()).map(Some)
    }

    /// The user's file without what is ours in it. `before` is what it was without us, if that is known.
    fn strip(&self, text: &str, names: &[&str], before: Option<&str>) -> Result<String> {
        let config = &self.target.config;
        match (&self.target.drop_in, self.target.engine) {
            (None, _) => docker::strip(config, text, names, before),
            // An import of a file that is gone would keep containerd from starting.
            (Some(drop_in), Engine::Containerd) => {
                containerd::remove_import(self.target, drop_in, text, before)
            }
            _ => Ok(text.to_owned()),
        }
    }

    /// A runtime of that name that we have not configured would be overridden, and in Docker's file be lost. One that leads to
    /// the same program is taken over.
    fn refuse_another(&self, runtime: &Runtime) -> Result<()> {
        let mut view = View::default();
        view.put(&self.target.config, self.base.clone());
        if let Some(path) = &self.target.drop_in {
            view.put(path, None);
        }
        let effective = effective(self.target, &view)?;
        match effective.runtimes.get(&runtime.name) {
            Some(found) if !runtime.is(Path::new(&found.value)) => {
                let place = self.target.engine.place_of(&runtime.name);
                let what = match found.value.as_str() {
                    "" => "without a path",
                    program => program,
                };
                let reason = format!(
                    "lxcri-ctl has not configured this runtime ({what}); choose another --name"
                );
                Err(Error::content(&found.file, place, reason))
            }
            _ => Ok(()),
        }
    }

    /// Our file has to be ours, and if it has been changed by hand, the change is kept.
    fn read_drop_in(&mut self) -> Result<()> {
        let Some(path) = &self.target.drop_in else {
            return Ok(());
        };
        if path.is_symlink() {
            return Err(Error::file(
                path,
                "a symlink; lxcri-ctl makes this file itself",
            ));
        }
        self.drop_in = file::read(path)?;
        let Some(now) = &self.drop_in else {
            return Ok(());
        };
        let written = self.record.as_ref().and_then(|r| r.written(path));
        if written.is_none() && !now.starts_with(document::HEADER) {
            return Err(Error::file(
                path,
                "exists, and lxcri-ctl has not written it",
            ));
        }
        if written.is_some_and(|w| !w.is(now)) {
            let kept = self.store.backup(self.target, &backup_name(path, now));
            self.warnings.push(format!(
                "{} was changed by hand; that version is kept as {}",
                path.display(),
                kept.display()
            ));
            self.backups.push((path.clone(), now.clone()));
        }
        Ok(())
    }

    /// The files with these runtimes in them.
    fn plan(mut self, runtimes: Vec<Runtime>) -> Result<Plan<'a>> {
        let target = self.target;
        let mut view = View::default();
        view.put(&target.config, self.base.clone());
        let mut config = self.base.clone();
        let mut drop_in = None;
        match &target.drop_in {
            _ if runtimes.is_empty() => {}
            None => config = Some(docker::add(&target.config, config.as_deref(), &runtimes)?),
            Some(path) => {
                view.put(path, None);
                let text = match target.engine {
                    Engine::Containerd => containerd::drop_in(target, &view, &runtimes)?,
                    _ => layered::drop_in(target, &view, &runtimes)?,
                };
                view.put(path, Some(text.clone()));
                drop_in = Some(text);
                if target.engine == Engine::Containerd {
                    config = Some(containerd::add_import(target, path, &view)?);
                }
            }
        }
        let edited = Change {
            path: target.config.clone(),
            before: self.config.take(),
            after: config,
        };
        let ours = target.drop_in.as_ref().map(|path| Change {
            path: path.clone(),
            before: self.drop_in.take(),
            after: drop_in,
        });
        let new = self.record(runtimes, &edited, ours.as_ref());
        Ok(Plan {
            store: self.store,
            target,
            old: self.record,
            new,
            backups: self.backups,
            changes: in_order(edited, ours),
            warnings: self.warnings,
        })
    }

    /// What is to be remembered afterwards; nothing without runtimes, or when all was there without us.
    fn record(
        &mut self,
        runtimes: Vec<Runtime>,
        edited: &Change,
        ours: Option<&Change>,
    ) -> Option<Record> {
        let by_hand = self.record.is_none()
            && edited.before == edited.after
            && ours.is_none_or(|change| change.before == change.after);
        if runtimes.is_empty() || by_hand {
            return None;
        }
        let mut files = Vec::new();
        if let Some(after) = edited
            .after
            .as_ref()
            .filter(|after| Some(*after) != self.base.as_ref())
        {
            if let Some(base) = &self.base {
                self.backups.push((edited.path.clone(), base.clone()));
            }
            files.push(Written {
                path: edited.path.clone(),
                backup: self.base.as_ref().map(|b| backup_name(&edited.path, b)),
                sha256: digest(after),
            });
        }
        if let Some((change, after)) = ours.and_then(|c| Some((c, c.after.as_ref()?))) {
            files.push(Written {
                path: change.path.clone(),
                backup: None,
                sha256: digest(after),
            });
        }
        let mut directories = self
            .record
            .as_ref()
            .map(|r| r.directories.clone())
            .unwrap_or_default();
        for directory in files.iter().flat_map(|f| missing_directories(&f.path)) {
            if !directories.contains(&directory) {
                directories.push(directory);
            }
        }
        Some(Record {
            engine: self.target.engine,
            config: self.target.config.clone(),
            drop_in: self.target.drop_in.clone(),
            runtimes,
            files,
            directories,
        })
    }
}

/// containerd does not start when a file that it imports is missing: a drop-in comes before its import and goes after it.
fn in_order(edited: Change, ours: Option<Change>) -> Vec<Change> {
    let mut changes = vec![edited];
    if let Some(ours) = ours {
        let at = if ours.after.is_some() { 0 } else { 1 };
        changes.insert(at, ours);
    }
    changes.retain(|change| change.before != change.after);
    changes
}
