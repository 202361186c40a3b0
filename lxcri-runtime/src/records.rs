//! hooks.jsonl: one line for each hook that ran, and the copy that outlives the container.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hook_model::Record;
use hook_tree::names;
use serde::Deserialize;

use crate::store::Container;

/// The lines of a container's hooks.
///
/// A line that cannot be written is a warning: a hook has run, and its outcome decides about the container, not the
/// log's. Nothing is lost silently that way.
pub struct Records {
    id: String,
    path: PathBuf,
    copy: Option<PathBuf>,
    /// The same two, from the first line on.
    open: RefCell<Vec<(PathBuf, File)>>,
}

impl Records {
    /// The records of a container.
    pub fn of(container: &Container, copy: Option<&Path>) -> Records {
        Records {
            id: container.id.clone(),
            path: container.file(names::HOOKS_LOG),
            copy: copy.map(Path::to_owned),
            open: RefCell::new(Vec::new()),
        }
    }

    /// Appends a record.
    pub fn add(&self, record: &Record) {
        self.append(record.to_line().trim_end().as_bytes());
    }

    fn append(&self, line: &[u8]) {
        let [own, copied] = [line.to_vec(), self.with_id(line)].map(|mut line| {
            line.push(b'\n');
            line
        });
        let mut open_files = self.open.borrow_mut();
        let copy = self.copy.iter().map(|path| (path, &copied));
        for (path, whole) in std::iter::once((&self.path, &own)).chain(copy) {
            let at = open_files.iter().position(|(known, _)| known == path);
            let written = match at.and_then(|at| open_files.get_mut(at)) {
                Some((_, file)) => file.write_all(whole),
                None => open(path).and_then(|mut file| {
                    file.write_all(whole)?;
                    open_files.push((path.clone(), file));
                    Ok(())
                }),
            };
            if let Err(e) = written {
                log::warn!("append to {}: {e}", path.display());
            }
        }
    }

    /// The line for a file that several containers share: `id` comes first.
    fn with_id(&self, line: &[u8]) -> Vec<u8> {
        match line.strip_prefix(b"{") {
            // An id needs no escape (`spec::validate_id`).
            Some(members) => [b"{\"id\":\"", self.id.as_bytes(), b"\",", members].concat(),
            None => line.to_vec(),
        }
    }

    /// hooks.jsonl itself, for the launcher to append to. `None`, with a warning, when it cannot be opened.
    pub fn file(&self) -> Option<File> {
        open(&self.path)
            .inspect_err(|e| log::warn!("append to {}: {e}", self.path.display()))
            .ok()
    }

    /// Has others append to hooks.jsonl, and appends their records to the copy.
    pub fn added_by_others<T>(&self, others: impl FnOnce() -> Result<T>) -> Result<T> {
        let known = self.length();
        let result = others();
        self.copy_from(known)?;
        result
    }

    /// Appends to the copy what the launcher itself wrote into hooks.jsonl behind the first `known` bytes.
    pub fn copy_from(&self, known: u64) -> Result<Vec<Record>> {
        let new = records_behind(&self.path, known, |line| {
            Record::from_line(line).map_err(Into::into)
        })?;
        if let Some(copy) = &self.copy {
            let lines = new.iter().map(Record::to_line);
            let lines: Vec<u8> = lines
                .flat_map(|line| self.with_id(line.as_bytes()))
                .collect();
            if let Err(e) = open(copy).and_then(|mut file| file.write_all(&lines)) {
                log::warn!("append to {}: {e}", copy.display());
            }
        }
        Ok(new)
    }

    /// How many bytes there are.
    pub fn length(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        // A FIFO without a reader must not hold the container up.
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
}

/// Reads the records of a container's own file. A missing file has none; a line that was cut short by a crash is left out.
pub fn read(path: &Path) -> Result<Vec<Record>> {
    records_behind(path, 0, |line| Record::from_line(line).map_err(Into::into))
}

/// Reads the records of one container in a file that several share, as [`read`].
pub fn read_shared(path: &Path, id: &str) -> Result<Vec<Record>> {
    let all = records_behind(path, 0, |line| {
        serde_json::from_slice::<Shared>(line).map_err(Into::into)
    })?;
    let own = all.into_iter().filter(|shared| shared.id == id);
    Ok(own.map(|shared| shared.record).collect())
}

/// A record in a file that several containers share.
#[derive(Deserialize)]
struct Shared {
    /// The container's.
    id: String,
    #[serde(flatten)]
    record: Record,
}

/// Reads what `parse` makes of each line behind the first `known` bytes.
fn records_behind<T>(
    path: &Path,
    known: u64,
    parse: impl Fn(&[u8]) -> Result<T>,
) -> Result<Vec<T>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).with_context(|| format!("read {}", path.display())),
    };
    let behind = usize::try_from(known)
        .ok()
        .and_then(|known| text.get(known..));
    let mut records = Vec::new();
    for (number, line) in behind
        .unwrap_or_default()
        .split(|&b| b == b'\n')
        .enumerate()
        .filter(|(_, l)| !l.is_empty())
    {
        match parse(line) {
            Ok(record) => records.push(record),
            Err(e) if known == 0 => log::warn!("{}: line {}: {e}", path.display(), number + 1),
            Err(e) => log::warn!(
                "{}: line {} behind byte {known}: {e}",
                path.display(),
                number + 1
            ),
        }
    }
    Ok(records)
}
