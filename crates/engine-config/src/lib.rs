//! Edits the configuration of Docker, containerd, CRI-O and podman so that they know a runtime, and undoes it.
#![forbid(unsafe_code)]

mod apply;
mod change;
mod containerd;
mod docker;
mod document;
mod effective;
mod engine;
mod error;
mod file;
mod layered;
mod plan;
mod record;
mod runtime;
mod store;
mod view;

pub use change::Change;
pub use effective::{Effective, Found};
pub use engine::{Engine, Target};
pub use error::{Error, Result};
pub use plan::Plan;
pub use runtime::{Runtime, check_name};
pub use store::{Lock, Store};
