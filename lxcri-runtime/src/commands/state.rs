//! `state`: prints the OCI state.

use anyhow::Result;

use super::output::print_json;
use crate::request::Runtime;
use crate::store::Container;

/// Prints the state as JSON.
pub fn print(runtime: &Runtime, id: &str) -> Result<()> {
    let (state, _) = Container::at(&runtime.root, id).state()?;
    print_json(&serde_json::from_slice::<serde_json::Value>(
        &state.to_json()?,
    )?)
}
