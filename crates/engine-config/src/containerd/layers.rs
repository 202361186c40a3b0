//! The files of a containerd in the order in which it reads them.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};

use super::paths::{clean, is_pattern, translated};
use crate::document::Layer;
use crate::error::{Error, Result};
use crate::target::Target;
use crate::view::View;

/// The CRI plugin's section in configurations of version 1, version 2, and later ones.
pub(super) const PLUGINS: [&str; 3] = [
    "cri",
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.runtime",
];

/// The oldest configuration version that only containerd 2 understands.
const VERSION_OF_CONTAINERD_2: i64 = 3;

/// More files than anybody has. Through directories that are symlinks, a file can import itself by ever longer paths.
const FILES_LIMIT: usize = 500;

/// All files that were read.
pub(super) struct Configuration {
    /// In the order in which containerd reads them.
    pub layers: Vec<Layer>,
    main: PathBuf,
    /// The version that is written in the main file.
    version: Option<i64>,
    major: Option<u32>,
}

impl Configuration {
    /// Reads the main file and all that it imports.
    ///
    /// # Errors
    /// A file that is not as it must be; an import that does not exist, with which containerd does not start.
    pub fn load(target: &Target, view: &View) -> Result<Configuration> {
        Configuration::with(target, view, |_| true)
    }

    /// The files that every containerd reads. Up to 1.7 it lets a relative pattern count from the daemon's working
    /// directory, not from that of the file; a relative path without a pattern counts from the file in all of them.
    ///
    /// # Errors
    /// As with [`Configuration::load`].
    pub fn certain_files(target: &Target, view: &View) -> Result<Vec<PathBuf>> {
        let certain = |import: &str| !is_pattern(import) || Path::new(import).is_absolute();
        Ok(Configuration::with(target, view, certain)?.files())
    }

    /// Reads the main file and all that it imports by the entries that are `followed`.
    fn with(
        target: &Target,
        view: &View,
        followed: impl Fn(&str) -> bool,
    ) -> Result<Configuration> {
        let mut layers: Vec<Layer> = Vec::new();
        // The main file may be a symlink, and import itself by the name that containerd is given.
        let mut seen = HashSet::from([clean(&target.named)]);
        let mut pending = VecDeque::from([target.config.clone()]);
        while let Some(path) = pending.pop_front() {
            if !seen.insert(path.clone()) && !layers.is_empty() {
                continue;
            }
            let Some(layer) = Layer::read(view, &path)? else {
                if path == target.config {
                    break;
                }
                return Err(Error::content(
                    &target.config,
                    "imports",
                    format!("{} does not exist", path.display()),
                ));
            };
            let name = if layers.is_empty() {
                &target.named
            } else {
                &path
            };
            let directory = name.parent().unwrap_or(Path::new("/"));
            pending.extend(imported(view, &layer, directory, &followed)?);
            layers.push(layer);
            if layers.len() > FILES_LIMIT {
                let reason = format!("they lead to more than {FILES_LIMIT} files");
                return Err(Error::content(&target.config, "imports", reason));
            }
        }
        let version = match layers.first() {
            Some(main) => main.integer(&["version"])?,
            None => Some(new_version(target.containerd_major)),
        };
        Ok(Configuration {
            layers,
            main: target.config.clone(),
            version,
            major: target.containerd_major,
        })
    }

    /// What a drop-in says about its version: the same as the main file, which may say nothing.
    pub fn written_version(&self) -> Option<i64> {
        self.version
    }

    /// The key of the CRI plugin in files of this version.
    pub fn plugin(&self) -> &'static str {
        match self.version.unwrap_or(1) {
            ..=1 => PLUGINS[0],
            2 => PLUGINS[1],
            _ => PLUGINS[2],
        }
    }

    /// Whether tables are merged at every depth, as containerd 2 does.
    pub fn merges_deeply(&self) -> bool {
        self.version.unwrap_or(1) >= VERSION_OF_CONTAINERD_2 || self.major.is_some_and(|m| m >= 2)
    }

    /// The files that were read.
    pub fn files(&self) -> Vec<PathBuf> {
        self.layers.iter().map(|l| l.path.clone()).collect()
    }

    /// What keeps the CRI plugin from running.
    pub fn warnings(&self) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        for layer in &self.layers {
            let disabled = layer.strings(&["disabled_plugins"])?;
            if disabled.iter().any(|name| PLUGINS.contains(&name.as_str())) {
                let file = layer.path.display();
                warnings.push(format!(
                    "{file}: disabled_plugins switches the CRI plugin off, so none of its runtimes is used"
                ));
            }
        }
        let newer = self.version.unwrap_or(1) >= VERSION_OF_CONTAINERD_2;
        if newer && self.major.is_some_and(|m| m < 2) {
            let file = self.main.display();
            warnings.push(format!(
                "{file}: the installed containerd is older than this version of the configuration"
            ));
        }
        Ok(warnings)
    }
}

/// The version of a configuration file that is new.
pub(super) fn new_version(major: Option<u32>) -> i64 {
    if major.is_some_and(|m| m >= 2) { 3 } else { 2 }
}

/// The files that a file in this directory imports: relative to it, patterns expanded.
fn imported(
    view: &View,
    layer: &Layer,
    directory: &Path,
    followed: impl Fn(&str) -> bool,
) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for import in layer.strings(&["imports"])? {
        if !followed(&import) {
            continue;
        }
        let path = clean(&directory.join(import));
        match path.to_str() {
            Some(pattern) if is_pattern(pattern) => {
                files.extend(view.glob(&translated(pattern))?);
            }
            _ => files.push(path),
        }
    }
    Ok(files)
}
