//! The hooks that a container gets.

use std::path::PathBuf;

use hook_model::{Hook, Phase};

use crate::container::Container;
use crate::definition::{Definition, Sha256, Stage};
use crate::files::{HookFile, HookFiles};

/// One hook for a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// When it runs; meaningless for a precreate hook.
    pub phase: Phase,
    /// The hook. Its `env` is always given.
    pub hook: Hook,
    /// The file it comes from.
    pub file: PathBuf,
    /// What its executable must contain.
    pub sha256: Option<Sha256>,
}

/// All hooks for a container, in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The hooks of all phases. Within a phase they run in this order.
    pub hooks: Vec<Selected>,
    /// The hooks that run before the container is created; their phase is [`Phase::CreateRuntime`].
    pub precreate: Vec<Selected>,
}

impl HookFiles {
    /// The hooks of all good files for a container. Ask [`HookFiles::verdict`] first whether there may be containers.
    pub fn select(&self, container: &Container) -> Selection {
        let mut selection = Selection::default();
        for file in self.files() {
            for definition in file.definitions() {
                if definition.when.matches(container) {
                    selection.add(file, definition);
                }
            }
        }
        selection
    }
}

impl Selection {
    fn add(&mut self, file: &HookFile, definition: &Definition) {
        for stage in &definition.stages {
            let (list, phase) = match stage {
                Stage::Phase(phase) => (&mut self.hooks, *phase),
                Stage::Precreate => (&mut self.precreate, Phase::CreateRuntime),
            };
            list.push(Selected {
                phase,
                hook: definition.hook.clone(),
                file: file.path().to_owned(),
                sha256: definition.sha256,
            });
        }
    }
}
