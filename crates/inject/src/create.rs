//! What happens before a container is created: its hooks are selected, checked and put into config.json.

use std::borrow::Cow;
use std::path::Path;

use hook_model::{Hook, Phase};
use hooks_d::pin::{self, PinError};
use hooks_d::precreate::{self, PrecreateError};
use hooks_d::{ConfigError, Container, FileProblem, HookFiles, Selected};

use crate::bundle::{Bundle, BundleError};
use crate::config::{ANNOTATION, inject};
use crate::settings::Settings;

/// Why a container must not be created. One line.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Hook files are bad.
    #[error(transparent)]
    Hooks(#[from] hooks_d::Broken),
    /// The executable of a pinned hook is not the one that is wanted.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A precreate hook has failed.
    #[error(transparent)]
    Precreate(#[from] Box<PrecreateError>),
    /// config.json cannot be read, understood or replaced.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// A config.json with the hooks of its container in it, before any of them has run.
#[derive(Debug)]
pub struct Injected<'a> {
    /// The content; borrowed when there is nothing to change.
    pub content: Cow<'a, [u8]>,
    /// The hooks that get this content next and may change it, in their order.
    pub precreate: Vec<Selected>,
}

/// Puts the hooks of a bundle's container into its config.json. The result is what is wrong with hook files that are not
/// bad enough to stop it.
///
/// # Errors
/// When there must be no container. config.json is as it was then.
pub fn prepare(settings: &Settings, bundle: &Path) -> Result<Vec<FileProblem>, CreateError> {
    let files = hooks_d::load(&settings.sources);
    files.verdict()?;
    let bundle = Bundle::open(bundle)?;
    let config = bundle.read()?;
    let injected = preview(
        &files,
        &settings.source(),
        &bundle.config_path(),
        &config.content,
    )?;
    // As with podman, they see the other hooks.
    let new = match &*injected.precreate {
        [] => injected.content,
        hooks => precreate::run(hooks, injected.content.into_owned(), bundle.path())
            .map_err(Box::new)?
            .into(),
    };
    if *new != *config.content {
        bundle.replace(&config, &new, settings.fsync)?;
    }
    Ok(files.problems().cloned().collect())
}

/// What the good ones of these files make of a config.json. Nothing is written and no hook runs; `path` is for errors.
///
/// # Errors
/// When the executable of a pinned hook is another one, or config.json cannot be understood.
pub fn preview<'a>(
    files: &HookFiles,
    source: &str,
    path: &Path,
    config: &'a [u8],
) -> Result<Injected<'a>, CreateError> {
    let bad = |reason: String| BundleError::about(path, reason);
    let container = container(config).map_err(|e| match inject(config, &[], "") {
        // What keeps hooks out says more about a file that is no configuration at all.
        Err(error) => bad(error.to_string()),
        Ok(_) => {
            let text = e.to_string();
            bad(text
                .strip_prefix("config.json: ")
                .unwrap_or(&text)
                .to_owned())
        }
    })?;
    let selection = files.select(&container);
    for selected in &selection.hooks {
        // The runtime executes the hook by its path later, so there is no use for the descriptor.
        pin::verify(selected)?;
    }
    let hooks: Vec<(Phase, &Hook)> = selection
        .hooks
        .iter()
        .map(|selected| (selected.phase, &selected.hook))
        .collect();
    let content = inject(config, &hooks, source).map_err(|e| bad(e.to_string()))?;
    Ok(Injected {
        content,
        precreate: selection.precreate,
    })
}

/// The container as conditions see it. The record of an earlier run is not one of its annotations, or the second run
/// could select other hooks than the first.
///
/// # Errors
/// When config.json is no JSON, or has values of a wrong type.
pub fn container(config: &[u8]) -> Result<Container, ConfigError> {
    let mut container = Container::from_config(config)?;
    container.annotations.remove(ANNOTATION);
    Ok(container)
}
