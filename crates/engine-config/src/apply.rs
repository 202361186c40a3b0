//! Making the changes of a plan, all or none of them.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::change::Change;
use crate::error::{Error, Result};
use crate::file;
use crate::plan::Plan;
use crate::store::Lock;

impl Plan<'_> {
    /// Writes backups, the record and the files. When a file cannot be written, those before it are put back.
    ///
    /// The lock is to be taken before the plan is made.
    ///
    /// # Errors
    /// When a file has changed since the plan was made, or cannot be written.
    pub fn apply(&self, _lock: &Lock) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        for change in &self.changes {
            if file::read(&change.path)? != change.before {
                let reason = "somebody has just changed it; try again";
                return Err(Error::file(&change.path, reason));
            }
        }
        for (original, content) in &self.backups {
            self.store.keep(self.target, original, content)?;
        }
        // The record comes first and goes last: a process that is killed in between can be made good.
        if let Some(record) = &self.new {
            self.store.save(self.target, record)?;
        }
        self.write_all()?;
        self.store
            .tidy(self.target, self.old.as_ref(), self.new.as_ref())
    }

    fn write_all(&self) -> Result<()> {
        for (done, change) in self.changes.iter().enumerate() {
            let Err(e) = self.write(change) else {
                continue;
            };
            for change in self.changes[..done].iter().rev() {
                self.write(&reversed(change))?;
            }
            self.remove_directories();
            match &self.old {
                Some(old) => self.store.save(self.target, old)?,
                None => self.store.tidy(self.target, self.new.as_ref(), None)?,
            }
            return Err(e);
        }
        if self.new.is_none() {
            self.remove_directories();
        }
        Ok(())
    }

    fn write(&self, change: &Change) -> Result<()> {
        let Some(content) = &change.after else {
            return file::remove(&change.path);
        };
        if let Some(directory) = change.path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(directory)
                .map_err(|e| Error::io("make", directory, e))?;
        }
        // A drop-in can repeat what the configuration file keeps from others.
        let like: Option<&Path> = Some(&self.target.config);
        file::replace(&change.path, content.as_bytes(), like)
    }

    /// Removes the directories that were made for us and are empty again.
    fn remove_directories(&self) {
        let records = self.new.iter().chain(&self.old);
        for directory in records.flat_map(|r| r.directories.iter().rev()) {
            file::sweep(directory);
            // Somebody else may have put a file there since; the directory is then his.
            let _ = fs::remove_dir(directory);
        }
    }
}

fn reversed(change: &Change) -> Change {
    Change {
        path: change.path.clone(),
        before: change.after.clone(),
        after: change.before.clone(),
    }
}
