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
        let Err(mut e) = all_or_none(&self.changes, |change| self.write(change)) else {
            if self.new.is_none() {
                self.remove_directories();
            }
            return Ok(());
        };
        self.remove_directories();
        // What could not be put back is still ours: the record that explains it stays.
        if !e.is_half_done() {
            let restored = match &self.old {
                Some(old) => self.store.save(self.target, old),
                None => self.store.tidy(self.target, self.new.as_ref(), None),
            };
            e = e.and(restored.err());
        }
        Err(e)
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

/// Makes the changes in order. When one fails, all before it are undone as far as possible, the last first.
fn all_or_none(changes: &[Change], write: impl Fn(&Change) -> Result<()>) -> Result<()> {
    for (done, change) in changes.iter().enumerate() {
        if let Err(e) = write(change) {
            let undone = changes[..done].iter().rev();
            let failures = undone.filter_map(|change| write(&reversed(change)).err());
            return Err(failures.fold(e, |e, failure| e.and(Some(failure))));
        }
    }
    Ok(())
}

fn reversed(change: &Change) -> Change {
    Change {
        path: change.path.clone(),
        before: change.after.clone(),
        after: change.before.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn undoing_goes_on_after_a_failure_and_all_errors_are_told() {
        let change = |name: &str| Change {
            path: PathBuf::from(name),
            before: Some("before".into()),
            after: Some("after".into()),
        };
        let changes = ["a", "b", "c", "d", "e"].map(change);
        let written = RefCell::new(Vec::new());
        let error = all_or_none(&changes, |change| {
            let name = change.path.display().to_string();
            let text = change.after.clone().unwrap();
            if (name == "d" && text == "after")
                || (["b", "c"].contains(&&*name) && text == "before")
            {
                return Err(Error::file(&change.path, format!("no {text}")));
            }
            written.borrow_mut().push(format!("{name} {text}"));
            Ok(())
        });
        let error = error.unwrap_err();
        let told =
            "d: no after; and putting back what was there failed: c: no before; b: no before";
        assert_eq!(error.to_string(), told);
        assert!(error.is_half_done());
        let wanted = ["a after", "b after", "c after", "a before"];
        assert_eq!(written.into_inner(), wanted);
    }
}
