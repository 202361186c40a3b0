//! Loads, validates, matches and watches hooks that stand in files: hooks.d directories and hooks.json.
//!
//! [`load`] reads the [`Sources`] and never fails; what is wrong is inside of the [`HookFiles`] it returns, with file,
//! place and reason. [`HookFiles::verdict`] says whether containers may be made with them, [`HookFiles::select`] which
//! hooks a [`Container`] gets. `docs/hooks-d.md` is the normative description.
#![forbid(unsafe_code)]

mod access;
mod below;
mod condition;
mod container;
mod definition;
mod directory;
mod explain;
mod files;
mod hook;
mod live;
mod load;
mod members;
mod opened;
mod pattern;
pub mod pin;
pub mod precreate;
mod problem;
mod re2;
mod schema;
mod select;
mod source;
mod text;

pub use access::Access;
pub use condition::{Combine, Condition, When};
pub use container::{ConfigError, Container};
pub use definition::{Definition, Sha256, Stage};
pub use explain::{Explanation, Judgement, Outcome};
pub use files::{Content, HookFile, HookFiles};
pub use live::{Live, LiveError};
pub use load::load;
pub use pattern::Pattern;
pub use problem::{Broken, FileProblem, Place, Severity};
pub use select::{Selected, Selection};
pub use source::{DEFAULT_DIRS, OnError, Source, Sources};
