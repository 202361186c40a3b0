//! From sources to hook files.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::below::open_below;
use crate::directory::{Directory, order};
use crate::files::{Content, HookFile, HookFiles, Other};
use crate::opened::{self, Opened};
use crate::problem::{FileProblem, Place, Report, Severity};
use crate::source::{OnError, Source, Sources};
use crate::text::failed;

/// Reads all sources. It never fails: what is wrong is in the result.
pub fn load(sources: &Sources) -> HookFiles {
    let mut loader = Loader {
        sources,
        result: HookFiles::default(),
    };
    loader.host_root();
    loader.directories();
    loader.hooks_json();
    loader.result
}

struct Loader<'a> {
    sources: &'a Sources,
    result: HookFiles,
}

/// A directory that could be read, and the source that it is.
struct Listed<'a> {
    directory: Directory,
    source: &'a Source,
    on_error: OnError,
}

impl<'a> Loader<'a> {
    fn directories(&mut self) {
        let mut listed = Vec::new();
        // Which directories have a name, in their order.
        let mut names: BTreeMap<OsString, Vec<usize>> = BTreeMap::new();
        for (source, on_error) in &self.sources.list {
            let Source::Dir(path) = source else { continue };
            match self.list(path) {
                Ok(None) => {}
                Ok(Some((directory, found))) => {
                    for name in found {
                        names.entry(name).or_default().push(listed.len());
                    }
                    listed.push(Listed {
                        directory,
                        source,
                        on_error: *on_error,
                    });
                }
                Err(reason) => self.remark(path, *on_error, Severity::Error, reason),
            }
        }
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_by_cached_key(|(name, _)| order(name));
        for (name, holders) in names {
            let holders: Vec<&Listed<'_>> = holders.iter().filter_map(|i| listed.get(*i)).collect();
            self.choose(&name, &holders);
        }
    }

    fn list(&self, path: &Path) -> Result<Option<(Directory, Vec<OsString>)>, String> {
        let Some(mut directory) = self.open(path)? else {
            return Ok(None);
        };
        let names = directory.names()?;
        Ok(Some((directory, names)))
    }

    /// Without the root of the host all sources below it would just be missing.
    fn host_root(&mut self) {
        if let Some(root) = &self.sources.host_root
            && let Err(errno) = open_below(root, Path::new("/"), OFlag::O_PATH)
        {
            let on_error = self.sources.list.first().map(|(_, on_error)| *on_error);
            let reason = failed("open", errno);
            self.remark(root, on_error.unwrap_or_default(), Severity::Error, reason);
        }
    }

    fn open(&self, path: &Path) -> Result<Option<Directory>, String> {
        Directory::open(path, self.sources.access, self.sources.host_root.as_deref())
    }

    /// The last directory that has the name counts.
    fn choose(&mut self, name: &OsStr, holders: &[&Listed<'a>]) {
        for (i, holder) in holders.iter().enumerate().rev() {
            let path = holder.directory.file(name);
            let opened = opened::read(&holder.directory, name, self.sources.access);
            match opened {
                Ok(Opened::Gone) => continue,
                Ok(Opened::Dangling) => {
                    let reason = "is a symlink to nothing, ignored".to_owned();
                    self.remark(&path, holder.on_error, Severity::Warning, reason);
                    continue;
                }
                Ok(Opened::Content(_) | Opened::Empty(_) | Opened::Null) | Err(_) => {}
            }
            let mut overrides: Vec<PathBuf> = holders[..i]
                .iter()
                .map(|earlier| earlier.directory.file(name))
                .filter(|earlier| *earlier != path)
                .collect();
            overrides.dedup();
            let file = self.file(path, holder.source, holder.on_error, opened);
            self.result.files.push(HookFile { overrides, ..file });
            return;
        }
    }

    fn hooks_json(&mut self) {
        for (source, on_error) in &self.sources.list {
            let Source::HooksJson(path) = source else {
                continue;
            };
            let opened = self.open_hooks_json(path);
            let gone = matches!(opened, Ok(Opened::Gone | Opened::Dangling));
            let opened = match opened {
                Ok(Opened::Gone) => Err("does not exist".to_owned()),
                Ok(Opened::Dangling) => Err("is a symlink to nothing".to_owned()),
                opened => opened,
            };
            let file = self.file(path.clone(), source, *on_error, opened);
            self.result.files.push(HookFile { gone, ..file });
        }
    }

    /// Whoever can write to its directory can replace it, so that is judged as well.
    fn open_hooks_json(&self, path: &Path) -> Result<Opened, String> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err("is not the path of a file".to_owned());
        };
        let directory = self
            .open(parent)
            .map_err(|reason| format!("the directory {}: {reason}", parent.display()))?;
        match directory {
            Some(directory) => opened::read(&directory, name, self.sources.access),
            None => Ok(Opened::Gone),
        }
    }

    fn file(
        &self,
        path: PathBuf,
        source: &Source,
        on_error: OnError,
        opened: Result<Opened, String>,
    ) -> HookFile {
        let host_root = self.sources.host_root.as_deref();
        let file = match opened {
            Ok(Opened::Content(text)) => HookFile::parse(path, source.clone(), &text, host_root),
            Ok(Opened::Empty(version)) => HookFile {
                emptied: Some(version),
                ..HookFile::disabled(path, source.clone())
            },
            Ok(Opened::Null | Opened::Dangling | Opened::Gone) => {
                HookFile::disabled(path, source.clone())
            }
            Err(reason) => {
                let mut report = Report::default();
                report.error(Place::File, reason);
                HookFile {
                    content: Content::Bad,
                    problems: report.into_problems(&path),
                    ..HookFile::disabled(path, source.clone())
                }
            }
        };
        HookFile { on_error, ..file }
    }

    /// A problem of a source, or of a name that makes no file.
    fn remark(&mut self, path: &Path, on_error: OnError, severity: Severity, reason: String) {
        self.result.others.push(Other {
            problem: FileProblem {
                file: path.to_owned(),
                place: Place::File,
                reason,
                severity,
            },
            on_error,
            survived: false,
        });
    }
}
