//! What an engine would use, and what has been done to its files.

use crate::effective::Effective;
use crate::error::Result;
use crate::plan::{Plan, effective};
use crate::runtime::Runtime;
use crate::store::Store;
use crate::target::Target;
use crate::view::View;

/// The state of one engine's configuration.
#[derive(Clone, Debug)]
pub struct Status {
    /// What the engine takes from its files when it reads them next.
    pub effective: Effective,
    /// The runtimes that have been configured here, in that order.
    pub configured: Vec<Runtime>,
    /// Whether configuring again would change files: somebody has changed them since, or what they are based on.
    pub outdated: bool,
}

impl Status {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read or is not as the engine wants it.
    pub fn read(store: &Store, target: &Target) -> Result<Status> {
        let effective = effective(target, &View::default())?;
        let record = store.load(target)?;
        let configured = record.map(|r| r.runtimes).unwrap_or_default();
        let outdated = match configured.last() {
            Some(runtime) => !Plan::configure(store, target, runtime)?.is_empty(),
            None => false,
        };
        Ok(Status {
            effective,
            configured,
            outdated,
        })
    }
}
