//! Phases, validated hooks, the OCI state and the record of an execution.
//!
//! A hook is data. This crate turns the `hooks` of an OCI configuration into a [`HookSet`] that needs no further
//! checks, writes it as a hook tree for the launcher and reads it back, builds the [`State`] that a hook gets on
//! stdin, and defines the [`Record`] that it leaves behind. It executes nothing.
#![forbid(unsafe_code)]

pub mod check;
mod failure;
mod hook;
pub mod json;
mod parse;
mod problem;
mod record;
mod set;
mod state;
pub mod tree;

pub use check::{NotExecutable, check_executable};
pub use failure::HookFailure;
pub use hook::Hook;
pub use hook_tree::names::{DEFAULT_PATH, TIMEOUT_VARIABLE};
pub use hook_tree::{Namespace, Phase};
pub use problem::{Problem, Problems, child};
pub use record::{Record, RecordError};
pub use set::HookSet;
pub use state::{State, Status};
