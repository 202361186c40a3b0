//! Edits the configuration of Docker, containerd, CRI-O and podman so that they know a runtime, and undoes it.
#![forbid(unsafe_code)]

mod apply;
mod ask;
mod change;
mod containerd;
mod docker;
mod document;
mod effective;
mod engine;
mod error;
pub mod file;
mod layered;
mod locate;
mod plan;
mod program;
mod record;
mod restart;
mod runtime;
mod status;
mod store;
mod target;
mod users;
mod view;

pub use ask::{Answer, ask, containerd_major};
pub use change::Change;
pub use document::parse as parse_toml;
pub use effective::{Effective, Found};
pub use engine::Engine;
pub use error::{Error, Result};
pub use plan::Plan;
pub use restart::{Restart, conflicting_options};
pub use runtime::{Runtime, check_name};
pub use status::Status;
pub use store::{Lock, Store};
pub use target::Target;
pub use users::containers_of;
