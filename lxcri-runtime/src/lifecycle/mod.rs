//! The lifecycle of a container, one file per verb (runtime-spec, runtime.md, Lifecycle).

pub mod birth;
pub mod create;
pub mod delete;
pub mod destroy;
pub mod hooks;
pub mod kill;
pub mod run;
pub mod start;
