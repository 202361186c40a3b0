//! The directory of records and backups, and the lock on it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::file;
use crate::record::{Record, digest};
use crate::runtime::Runtime;
use crate::target::Target;

const RECORD: &str = "record.json";

/// How long another command may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where it is remembered what has been done, so that it can be undone.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

/// While this lives, no other command changes an engine's configuration.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "the lock goes with the descriptor")] File);

impl Store {
    /// Where root keeps it.
    pub const DEFAULT: &str = "/var/lib/lxcri/engines";

    /// A store in this directory, which need not exist.
    pub fn new(directory: &Path) -> Store {
        Store {
            directory: directory.to_owned(),
        }
    }

    /// Makes the directory and takes the lock.
    ///
    /// # Errors
    /// When another command holds it for more than ten seconds.
    pub fn lock(&self) -> Result<Lock> {
        make(&self.directory)?;
        let path = self.directory.join("lock");
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| Error::io("open", &path, e))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path, e)),
                Err(TryLockError::WouldBlock) if began.elapsed() >= PATIENCE => {
                    return Err(Error::file(&path, "another lxcri-ctl is at work"));
                }
                Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(20)),
            }
        }
    }

    /// The runtimes that have been configured, and in which engine.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn configured(&self) -> Result<Vec<(Engine, Runtime)>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io("list", &self.directory, e)),
        };
        let mut configured = Vec::new();
        for entry in entries {
            let place = entry.map_err(|e| Error::io("list", &self.directory, e))?;
            let record = read_record(&place.path().join(RECORD))?;
            if let Some(record) = record {
                let runtimes = record.runtimes.into_iter();
                configured.extend(runtimes.map(|runtime| (record.engine, runtime)));
            }
        }
        Ok(configured)
    }

    /// The record of these files; `None` when nothing has been done to them.
    pub(crate) fn load(&self, target: &Target) -> Result<Option<Record>> {
        read_record(&self.place(target).join(RECORD))
    }

    /// Writes the record.
    pub(crate) fn save(&self, target: &Target, record: &Record) -> Result<()> {
        let place = self.place(target);
        make(&place)?;
        let path = place.join(RECORD);
        let text = serde_json::to_string_pretty(record).map_err(|e| Error::file(&path, e))?;
        file::replace(&path, text.as_bytes(), None)
    }

    /// Removes the backups that the old record needed and the new one does not, and without a new one the record itself.
    ///
    /// What is kept of a file that was changed by hand belongs to no record and stays.
    pub(crate) fn tidy(
        &self,
        target: &Target,
        old: Option<&Record>,
        new: Option<&Record>,
    ) -> Result<()> {
        let needed: Vec<&String> = new.map(Record::backups).unwrap_or_default();
        for name in old.map(Record::backups).unwrap_or_default() {
            if !needed.contains(&name) {
                file::remove(&self.backup(target, name))?;
            }
        }
        if new.is_none() {
            file::remove(&self.place(target).join(RECORD))?;
            // It is not empty when something is kept.
            let _ = fs::remove_dir(self.place(target));
        }
        Ok(())
    }

    /// Keeps a copy of a file. Returns the name of the copy, which is that of its content.
    pub(crate) fn keep(&self, target: &Target, original: &Path, content: &str) -> Result<String> {
        let place = self.place(target);
        make(&place)?;
        let name = backup_name(original, content);
        file::replace(&place.join(&name), content.as_bytes(), None)?;
        Ok(name)
    }

    /// Where the copy of that name is.
    pub(crate) fn backup(&self, target: &Target, name: &str) -> PathBuf {
        self.place(target).join(name)
    }

    fn place(&self, target: &Target) -> PathBuf {
        let digest = digest(target.config.as_os_str().as_encoded_bytes());
        let short = digest.get(..12).unwrap_or(&digest);
        self.directory.join(format!("{}-{short}", target.engine))
    }
}

fn read_record(path: &Path) -> Result<Option<Record>> {
    let text = match file::read(path) {
        // The lock is no directory.
        Err(Error::Io { cause, .. }) if cause.kind() == ErrorKind::NotADirectory => None,
        text => text?,
    };
    let record = text.map(|text| serde_json::from_str(&text));
    record
        .transpose()
        .map_err(|e| Error::content(path, format!("{}:{}", e.line(), e.column()), e))
}

/// `daemon.json.1f2e3d4c5b6a`: one name for one content.
pub(crate) fn backup_name(original: &Path, content: &str) -> String {
    let name = original.file_name().unwrap_or_default().to_string_lossy();
    let digest = digest(content);
    format!("{name}.{}", digest.get(..12).unwrap_or(&digest))
}

/// Makes a directory that only its owner may enter: configuration files can hold passwords of registries.
fn make(directory: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|e| Error::io("make", directory, e))
}
