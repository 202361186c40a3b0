//! What was loaded: the files in the order in which their hooks run, and whether containers may be made with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::definition::Definition;
use crate::opened::Version;
use crate::problem::{Broken, FileProblem, Report, Severity};
use crate::schema;
use crate::source::{OnError, Source};

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Hooks.
    Good(Arc<[Definition]>),
    /// Nothing: an empty file or a link to the null device, which switches off what it overrides.
    Disabled,
    /// Something that cannot be used.
    Bad,
}

/// One file of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct HookFile {
    pub(crate) path: PathBuf,
    pub(crate) source: Source,
    pub(crate) on_error: OnError,
    pub(crate) overrides: Vec<PathBuf>,
    pub(crate) content: Content,
    pub(crate) problems: Vec<FileProblem>,
    /// The version of the file if it is empty, until that is settled: it may be about to be written.
    pub(crate) emptied: Option<Version>,
    /// Whether it is bad because it is not there.
    pub(crate) gone: bool,
}

/// A problem of a source, or of a name that makes no file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Other {
    pub problem: FileProblem,
    pub on_error: OnError,
    /// Whether what was read before is still in force.
    pub survived: bool,
}

/// All files of all sources. Immutable, and cheap to share in an [`Arc`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HookFiles {
    pub(crate) files: Vec<HookFile>,
    pub(crate) others: Vec<Other>,
}

impl HookFile {
    /// What a file of a source is with this content. The path is only for its problems, no file is looked at but the
    /// executables of hooks, below `host_root` if there is one.
    pub fn parse(
        path: PathBuf,
        source: Source,
        content: &[u8],
        host_root: Option<&Path>,
    ) -> HookFile {
        if content.is_empty() {
            return HookFile::disabled(path, source);
        }
        let mut report = Report::default();
        let definitions = match &source {
            Source::Dir(_) => schema::hooks_d(content, host_root, &mut report),
            Source::HooksJson(_) => schema::hooks_json(content, host_root, &mut report),
        };
        HookFile {
            content: if report.has_errors() {
                Content::Bad
            } else {
                Content::Good(definitions.into())
            },
            problems: report.into_problems(&path),
            ..HookFile::disabled(path, source)
        }
    }

    pub(crate) fn disabled(path: PathBuf, source: Source) -> HookFile {
        HookFile {
            path,
            source,
            on_error: OnError::default(),
            overrides: Vec::new(),
            content: Content::Disabled,
            problems: Vec::new(),
            emptied: None,
            gone: false,
        }
    }

    /// Its path: the directory as it was configured, and the name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The source it belongs to.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The files of the same name in earlier directories, which therefore do not count.
    pub fn overrides(&self) -> &[PathBuf] {
        &self.overrides
    }

    /// What it holds.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The hooks of a good file; none of any other.
    pub fn definitions(&self) -> &[Definition] {
        match &self.content {
            Content::Good(definitions) => definitions,
            Content::Disabled | Content::Bad => &[],
        }
    }

    /// What is wrong with it.
    pub fn problems(&self) -> &[FileProblem] {
        &self.problems
    }
}

impl HookFiles {
    /// All files in the order in which their hooks run, disabled and bad ones included: those of directories by lower-cased
    /// name, then each hooks.json.
    pub fn files(&self) -> &[HookFile] {
        &self.files
    }

    /// Everything that is wrong, in the order of files and places.
    pub fn problems(&self) -> impl Iterator<Item = &FileProblem> {
        let of_files = self.files.iter().flat_map(|file| &file.problems);
        let mut problems: Vec<_> = of_files
            .chain(self.others.iter().map(|other| &other.problem))
            .collect();
        problems.sort();
        problems.into_iter()
    }

    /// Whether containers may be made with these files: not when a file is bad whose source says
    /// [`OnError::Fail`]. It does not depend on the order of files.
    pub fn verdict(&self) -> Result<(), Broken> {
        let of_files = self
            .files
            .iter()
            .filter(|file| matches!(file.content, Content::Bad))
            .flat_map(|file| file.problems.iter().map(|p| (file.on_error, p)));
        let others = self.others.iter().filter(|other| !other.survived);
        let others = others.map(|other| (other.on_error, &other.problem));
        let mut broken: Vec<FileProblem> = of_files
            .chain(others)
            .filter(|(on_error, p)| *on_error == OnError::Fail && p.severity == Severity::Error)
            .map(|(_, problem)| problem.clone())
            .collect();
        broken.sort();
        if broken.is_empty() {
            Ok(())
        } else {
            Err(Broken(broken))
        }
    }
}
