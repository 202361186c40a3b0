//! The bundle's config.json: loaded, refused where this runtime cannot do what it asks, validated.
//!
//! Everything but [`load`], [`read`] and [`HostFacts::read`] is free of I/O.
#![forbid(unsafe_code)]

mod add_hook;
pub mod capabilities;
mod check;
mod hooks;
mod host;
mod id;
mod load;
mod namespaces;
mod pointer;
mod problem;
mod properties;
mod refuse;
mod scan;
mod template;
#[cfg(test)]
mod tests;
mod typed;
mod validate;
mod version;

pub use check::{Context, Granted, Report, capabilities, check};
pub use host::HostFacts;
pub use id::{InvalidId, MAX_ID_LEN, validate_id};
pub use load::{CONFIG_FILE, LoadError, LoadedSpec, SIZE_LIMIT, load, parse, read};
pub use namespaces::{Namespace, Namespaces};
pub use pointer::Pointer;
pub use problem::{Problem, Problems};
pub use template::TEMPLATE;
pub use validate::sysctl::{SysctlScope, sysctl_path, sysctl_scope};
pub use version::{OCI_VERSION_MAX, OCI_VERSION_MIN};
