//! hooks.jsonl: one line for each hook that ran, and the copy that outlives the container.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hook_model::Record;
use hook_tree::names;

use crate::store::Container;

/// The lines of a container's hooks.
///
/// A line that cannot be written is a warning: a hook has run, and its outcome decides about the container, not the
/// log's. Nothing is lost silently that way.
pub struct Records {
    path: PathBuf,
    copy: Option<PathBuf>,
    /// The same two, from the first line on.
    open: RefCell<Vec<(PathBuf, File)>>,
    pieces: RefCell<Vec<u8>>,
}

impl Records {
    /// The records of a container.
    pub fn of(container: &Container, copy: Option<&Path>) -> Records {
        Records {
            path: container.file(names::HOOKS_LOG),
            copy: copy.map(Path::to_owned),
            open: RefCell::new(Vec::new()),
            pieces: RefCell::new(Vec::new()),
        }
    }

    /// Appends a record.
    pub fn add(&self, record: &Record) {
        self.append(record.to_line().trim_end().as_bytes());
    }

    /// Takes a piece of the launcher's lines and appends each that is complete.
    pub fn add_piece(&self, piece: &[u8]) {
        let mut pieces = self.pieces.borrow_mut();
        pieces.extend_from_slice(piece);
        while let Some(end) = pieces.iter().position(|&b| b == b'\n') {
            let line: Vec<u8> = pieces.drain(..=end).collect();
            self.append(&line[..end]);
        }
    }

    fn append(&self, line: &[u8]) {
        let mut whole = line.to_vec();
        whole.push(b'\n');
        let mut open_files = self.open.borrow_mut();
        for path in std::iter::once(&self.path).chain(&self.copy) {
            let at = open_files.iter().position(|(known, _)| known == path);
            let written = match at.and_then(|at| open_files.get_mut(at)) {
                Some((_, file)) => file.write_all(&whole),
                None => open(path).and_then(|mut file| {
                    file.write_all(&whole)?;
                    open_files.push((path.clone(), file));
                    Ok(())
                }),
            };
            if let Err(e) = written {
                log::warn!("append to {}: {e}", path.display());
            }
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
        let known = self.count();
        let result = others();
        self.copy_from(known)?;
        result
    }

    /// Appends to the copy what the launcher itself wrote into hooks.jsonl after the first `known` records.
    pub fn copy_from(&self, known: usize) -> Result<Vec<Record>> {
        let new: Vec<Record> = read(&self.path)?.into_iter().skip(known).collect();
        if let Some(copy) = &self.copy {
            let lines: String = new.iter().map(Record::to_line).collect();
            if let Err(e) = open(copy).and_then(|mut file| file.write_all(lines.as_bytes())) {
                log::warn!("append to {}: {e}", copy.display());
            }
        }
        Ok(new)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        fs::read(&self.path).map_or(0, |t| t.iter().filter(|&&b| b == b'\n').count())
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

/// Reads the records of a file. A missing file has none; a line that was cut short by a crash is left out.
pub fn read(path: &Path) -> Result<Vec<Record>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).with_context(|| format!("read {}", path.display())),
    };
    let mut records = Vec::new();
    for (number, line) in text
        .split(|&b| b == b'\n')
        .enumerate()
        .filter(|(_, l)| !l.is_empty())
    {
        match Record::from_line(line) {
            Ok(record) => records.push(record),
            Err(e) => log::warn!("{}: line {}: {e}", path.display(), number + 1),
        }
    }
    Ok(records)
}
