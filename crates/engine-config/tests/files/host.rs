//! A directory that plays /etc of a host with one engine.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use engine_config::{Engine, Plan, Result, Runtime, Store, Target};

/// A directory with one engine's configuration.
pub struct Host {
    pub directory: tempfile::TempDir,
    pub engine: Engine,
}

impl Host {
    pub fn new(engine: Engine) -> Host {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("etc")).unwrap();
        Host { directory, engine }
    }

    pub fn with(engine: Engine, text: &str) -> Host {
        let host = Host::new(engine);
        fs::write(host.config(), text).unwrap();
        host
    }

    pub fn config(&self) -> PathBuf {
        let name = self.engine.default_config().file_name().unwrap();
        self.directory.path().join("etc").join(name)
    }

    pub fn store(&self) -> Store {
        Store::new(&self.directory.path().join("state"))
    }

    pub fn target(&self) -> Result<Target> {
        Target::new(&self.store(), self.engine, Some(&self.config()), None)
    }

    pub fn drop_in(&self) -> String {
        fs::read_to_string(self.target().unwrap().drop_in.unwrap()).unwrap()
    }

    pub fn configure(&self, name: &str, default: bool) -> Result<Vec<String>> {
        let runtime = Runtime::new(name, Path::new("/bin/true"), default)?;
        let (store, target) = (self.store(), self.target()?);
        let lock = store.lock()?;
        let plan = Plan::configure(&store, &target, &runtime)?;
        plan.apply(&lock)?;
        Ok(plan.warnings)
    }

    pub fn unconfigure(&self, name: &str) -> Result<()> {
        let (store, target) = (self.store(), self.target()?);
        let lock = store.lock()?;
        Plan::unconfigure(&store, &target, name)?.apply(&lock)
    }

    /// Every file and directory of the engine.
    pub fn tree(&self) -> BTreeMap<PathBuf, Option<(String, u32)>> {
        let mut found = BTreeMap::new();
        let mut directories = vec![self.directory.path().join("etc")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    found.insert(path.clone(), None);
                    directories.push(path);
                } else {
                    let mode = path.metadata().unwrap().mode();
                    let text = fs::read_to_string(&path).unwrap();
                    found.insert(path, Some((text, mode)));
                }
            }
        }
        found
    }

    pub fn left_over(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path().join("state")).unwrap();
        let paths = entries.map(|e| e.unwrap().path());
        paths.filter(|p| !p.ends_with("lock")).collect()
    }
}
