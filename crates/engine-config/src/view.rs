//! Files as they are, or as they would be after a change: what an engine would read.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::file;

/// The file system with some files replaced; `None` stands for a file that is not there.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    overlay: BTreeMap<PathBuf, Option<String>>,
}

impl View {
    /// Replaces a file in this view.
    pub fn put(&mut self, path: &Path, content: Option<String>) {
        self.overlay.insert(path.to_owned(), content);
    }

    /// Reads a file; `None` when there is none.
    pub fn read(&self, path: &Path) -> Result<Option<String>> {
        match self.overlay.get(path) {
            Some(content) => Ok(content.clone()),
            None => file::read(path),
        }
    }

    /// The files of a directory, not of those below it, by name. A missing directory is empty.
    pub fn list(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for (path, is_directory) in entries(directory)? {
            if !is_directory {
                found.push(path);
            }
        }
        self.overlaid(found, |path| path.parent() == Some(directory))
    }

    /// The files of a directory and of those below it, in lexical order. A missing directory is empty.
    pub fn walk(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut directories = vec![directory.to_owned()];
        while let Some(next) = directories.pop() {
            for (path, is_directory) in entries(&next)? {
                if is_directory {
                    directories.push(path);
                } else {
                    found.push(path);
                }
            }
        }
        self.overlaid(found, |path| path.starts_with(directory))
    }

    /// The files that a pattern with `*` matches, in lexical order.
    pub fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>> {
        let bad = |e: glob::PatternError| Error::content(Path::new(pattern), "imports", e);
        let options = glob::MatchOptions {
            require_literal_separator: true,
            // `default()` would not tell upper case from lower case.
            ..glob::MatchOptions::new()
        };
        let compiled = glob::Pattern::new(pattern).map_err(bad)?;
        let found = glob::glob_with(pattern, options).map_err(bad)?.flatten();
        self.overlaid(found.collect(), |path| {
            compiled.matches_path_with(path, options)
        })
    }

    fn overlaid(
        &self,
        mut found: Vec<PathBuf>,
        belongs: impl Fn(&Path) -> bool,
    ) -> Result<Vec<PathBuf>> {
        found.retain(|path| !self.overlay.contains_key(path));
        let replaced = self.overlay.iter().filter(|(_, content)| content.is_some());
        found.extend(
            replaced
                .map(|(path, _)| path.clone())
                .filter(|p| belongs(p)),
        );
        found.sort();
        Ok(found)
    }
}

/// What is in a directory, and whether it is a directory itself.
fn entries(directory: &Path) -> Result<Vec<(PathBuf, bool)>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list", directory, e)),
    };
    entries
        .map(|entry| {
            let entry = entry?;
            Ok((entry.path(), entry.file_type()?.is_dir()))
        })
        .collect::<std::io::Result<_>>()
        .map_err(|e| Error::io("list", directory, e))
}
