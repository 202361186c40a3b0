//! What happens before a container is created: its hooks are selected, checked and put into config.json.

use std::path::Path;

use hook_model::{Hook, Phase};
use hooks_d::pin::{self, PinError};
use hooks_d::precreate::{self, PrecreateError};
use hooks_d::{Container, FileProblem};

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
    let selection = files.select(&container(&bundle, &config.content)?);
    for selected in &selection.hooks {
        // The runtime executes the hook by its path later, so there is no use for the descriptor.
        pin::verify(selected)?;
    }
    let hooks: Vec<(Phase, &Hook)> = selection
        .hooks
        .iter()
        .map(|selected| (selected.phase, &selected.hook))
        .collect();
    let new = inject(&config.content, &hooks, &settings.source())
        .map_err(|e| bundle.fail(e.to_string()))?;
    // As with podman, they see the other hooks.
    let new = match &*selection.precreate {
        [] => new,
        hooks => precreate::run(hooks, new.into_owned(), bundle.path())
            .map_err(Box::new)?
            .into(),
    };
    if *new != *config.content {
        bundle.replace(&config, &new, settings.fsync)?;
    }
    Ok(files.problems().cloned().collect())
}

/// The container as conditions see it. The record of an earlier run is not one of its annotations, or the second run
/// could select other hooks than the first.
fn container(bundle: &Bundle, config: &[u8]) -> Result<Container, BundleError> {
    let mut container =
        Container::from_config(config).map_err(|e| match inject(config, &[], "") {
            // What keeps hooks out says more about a file that is no configuration at all.
            Err(error) => bundle.fail(error.to_string()),
            Ok(_) => {
                let text = e.to_string();
                bundle.fail(text.strip_prefix("config.json: ").unwrap_or(&text))
            }
        })?;
    container.annotations.remove(ANNOTATION);
    Ok(container)
}
