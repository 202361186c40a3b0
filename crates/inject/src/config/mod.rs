//! The lossless edit of a config.json: hooks go in, every other byte stays.

mod document;
mod edits;
mod error;
mod hooks;
mod inject;
mod record;

pub use error::ConfigError;
pub use inject::inject;
pub use record::ANNOTATION;
