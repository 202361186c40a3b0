//! What an administrator has decided: /etc/lxcri/inject.toml and four variables, and nothing else.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hooks_d::{Access, DEFAULT_DIRS, OnError, Source, Sources};

use crate::settings_file::{self, Keys};

/// Where the file is looked for without [`CONFIG_VARIABLE`].
pub const PATH: &str = "/etc/lxcri/inject.toml";
/// Names another file, which must exist.
pub const CONFIG_VARIABLE: &str = "LXCRI_INJECT_CONFIG";
/// Names the only runtime.
pub const RUNTIME_VARIABLE: &str = "LXCRI_INJECT_RUNTIME";
/// Directories with hook files, separated by colons.
pub const HOOKS_DIRS_VARIABLE: &str = "LXCRI_INJECT_HOOKS_DIRS";
/// Names a hooks.json.
pub const HOOKS_JSON_VARIABLE: &str = "LXCRI_INJECT_HOOKS_JSON";

/// The runtimes that are tried when none is configured.
pub const DEFAULT_RUNTIMES: [&str; 2] = ["runc", "crun"];

/// The settings. Variables go before keys of the file; an empty variable counts as none.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// Names or absolute paths of runtimes, of which the first that can be executed is used.
    pub runtimes: Vec<OsString>,
    /// Where hooks come from.
    pub sources: Sources,
    /// Whether config.json is on the disk before the runtime is executed.
    pub fsync: bool,
}

/// Settings that cannot be used, and what a call that creates nothing can be passed on to all the same.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct SettingsError {
    /// The file or the variable.
    pub place: String,
    /// What is wrong, on one line.
    pub reason: String,
    /// The runtimes as far as they are known, or the default ones.
    pub runtimes: Vec<OsString>,
}

impl Settings {
    /// Reads the file and the variables; `variable` looks one up.
    ///
    /// # Errors
    /// When the file cannot be read or trusted, is no TOML, has an unknown key or a value that makes no sense, and when a
    /// variable makes none.
    pub fn load(variable: impl Fn(&str) -> Option<OsString>) -> Result<Settings, SettingsError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let asked = variable(CONFIG_VARIABLE).map(PathBuf::from);
        let path = asked.as_deref().unwrap_or(Path::new(PATH));
        let (keys, problem) = match settings_file::read(path, asked.is_some()) {
            Ok(keys) => (keys, None),
            Err(unusable) => (
                Keys {
                    runtimes: unusable.runtimes,
                    ..Keys::default()
                },
                Some((path.display().to_string(), unusable.reason)),
            ),
        };
        let mut resolved = Resolved { problem };
        let runtimes = resolved.runtimes(path, keys.runtimes, variable(RUNTIME_VARIABLE));
        let on_error = keys.on_error.into();
        let dirs = resolved.dirs(path, keys.hooks_dirs, variable(HOOKS_DIRS_VARIABLE));
        let json = resolved.json(path, keys.hooks_json, variable(HOOKS_JSON_VARIABLE));
        let list = dirs.into_iter().map(Source::Dir);
        let list = list.chain(json.map(Source::HooksJson));
        match resolved.problem {
            Some((place, reason)) => Err(SettingsError {
                place,
                reason,
                runtimes,
            }),
            None => Ok(Settings {
                runtimes,
                sources: Sources {
                    list: list.map(|source| (source, on_error)).collect(),
                    access: keys.access.into(),
                    host_root: None,
                },
                fsync: keys.fsync,
            }),
        }
    }

    /// The sources as a text that is the same exactly where they are.
    pub fn source(&self) -> String {
        let paths = self.sources.list.iter().map(|(source, _)| {
            let kind = match source {
                Source::Dir(_) => "dir",
                Source::HooksJson(_) => "json",
            };
            format!("{kind} {:?}", source.path())
        });
        paths.collect::<Vec<_>>().join("\n")
    }
}

/// The first problem, while values are resolved.
struct Resolved {
    problem: Option<(String, String)>,
}

impl Resolved {
    fn runtimes(
        &mut self,
        file: &Path,
        key: Option<Vec<String>>,
        variable: Option<OsString>,
    ) -> Vec<OsString> {
        let place = match variable {
            Some(_) => RUNTIME_VARIABLE.to_owned(),
            None => format!("{}: runtimes", file.display()),
        };
        let from_variable = variable.map(|name| vec![name]);
        let from_file =
            key.map(|names| -> Vec<OsString> { names.into_iter().map(OsString::from).collect() });
        let mut next = from_variable.into_iter().chain(from_file);
        let defaults = || DEFAULT_RUNTIMES.map(OsString::from).to_vec();
        let Some(names) = next.next() else {
            return defaults();
        };
        let Some(reason) = objection(&names) else {
            return names;
        };
        self.note(place, reason);
        // What creates nothing is passed on to a runtime all the same: to the file's if the variable is wrong.
        next.find(|names| objection(names).is_none())
            .unwrap_or_else(defaults)
    }

    fn dirs(
        &mut self,
        file: &Path,
        key: Option<Vec<PathBuf>>,
        variable: Option<OsString>,
    ) -> Vec<PathBuf> {
        match (variable, key) {
            (Some(list), _) => {
                let dirs = list.as_bytes().split(|byte| *byte == b':');
                let dirs = dirs.map(|dir| PathBuf::from(OsStr::from_bytes(dir)));
                self.absolute(HOOKS_DIRS_VARIABLE.to_owned(), dirs.collect())
            }
            (None, Some(dirs)) => self.absolute(format!("{}: hooks-dirs", file.display()), dirs),
            (None, None) => DEFAULT_DIRS.map(PathBuf::from).to_vec(),
        }
    }

    fn json(
        &mut self,
        file: &Path,
        key: Option<PathBuf>,
        variable: Option<OsString>,
    ) -> Option<PathBuf> {
        let (place, path) = match variable {
            Some(path) => (HOOKS_JSON_VARIABLE.to_owned(), path.into()),
            None => (format!("{}: hooks-json", file.display()), key?),
        };
        self.absolute(place, vec![path]).pop()
    }

    fn absolute(&mut self, place: String, paths: Vec<PathBuf>) -> Vec<PathBuf> {
        if let Some(path) = paths.iter().find(|path| !path.is_absolute()) {
            self.note(place, format!("{path:?} is not an absolute path"));
        }
        paths
    }

    fn note(&mut self, place: String, reason: impl Into<String>) {
        self.problem.get_or_insert((place, reason.into()));
    }
}

/// What is wrong with a list of runtimes.
fn objection(names: &[OsString]) -> Option<String> {
    if names.is_empty() {
        return Some("names no runtime".to_owned());
    }
    let wrong = names.iter().find(|name| !is_runtime(name))?;
    Some(format!(
        "{wrong:?} is neither an absolute path nor a bare name"
    ))
}

/// An absolute path, or a name that is looked up.
fn is_runtime(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty() && (bytes.starts_with(b"/") || !bytes.contains(&b'/'))
}

impl From<settings_file::OnErrorKey> for OnError {
    fn from(key: settings_file::OnErrorKey) -> OnError {
        match key {
            settings_file::OnErrorKey::Fail => OnError::Fail,
            settings_file::OnErrorKey::Skip => OnError::Skip,
        }
    }
}

impl From<settings_file::AccessKey> for Access {
    fn from(key: settings_file::AccessKey) -> Access {
        match key {
            settings_file::AccessKey::RootOnly => Access::RootOnly,
            settings_file::AccessKey::Anyone => Access::Anyone,
        }
    }
}
