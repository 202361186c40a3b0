//! `delete`: removes a stopped container, or with force any.

use anyhow::{Context, Result, bail};
use hook_model::Status;

use super::destroy;
use crate::request::Runtime;
use crate::store::Container;

/// Removes the container. With `force` it is killed first, and a missing one is no error.
pub fn delete(runtime: &Runtime, id: &str, force: bool) -> Result<()> {
    let container = Container::at(&runtime.root, id);
    if force && !container.exists() {
        return Ok(());
    }
    container.must_exist()?;
    let _lock = match container.lock_to_delete() {
        Err(_) if force && !container.exists() => return Ok(()),
        other => other?,
    };
    let (state, record) = container.state_locked()?;
    if state.status != Status::Stopped && !force {
        bail!(
            "cannot delete container {id}: it is {}, not stopped",
            state.status
        );
    }
    destroy::join(destroy::destroy(runtime, &container, state, record))
        .with_context(|| format!("delete container {id}"))
}
