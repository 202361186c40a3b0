//! Why a config.json cannot be edited.

/// Why a config.json cannot be edited. One line, without the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is nothing but white space.
    #[error("empty")]
    Empty,
    /// The bytes are no text.
    #[error("not UTF-8: invalid byte at offset {0}")]
    NotUtf8(usize),
    /// The text is no JSON, or goes on after it.
    #[error("not JSON: {0}")]
    Syntax(#[source] serde_json::Error),
    /// It is JSON of another type.
    #[error("not a JSON object")]
    NotAnObject,
    /// Something that has to be edited is not what it should be.
    #[error("{pointer}: {reason}")]
    Place {
        /// The JSON pointer.
        pointer: String,
        /// What is wrong there.
        reason: String,
    },
}

impl ConfigError {
    /// Something wrong at a JSON pointer.
    pub(super) fn at(pointer: impl Into<String>, reason: impl Into<String>) -> ConfigError {
        ConfigError::Place {
            pointer: pointer.into(),
            reason: reason.into(),
        }
    }
}
