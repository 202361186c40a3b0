//! Errors of planning and of mounting.
#![forbid(unsafe_code)]

use nix::errno::Errno;

/// A system call that failed, shown with its arguments as strace would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {}", describe(*errno))]
pub struct CallError {
    /// The call and its arguments, `move_mount(/x, /y)`.
    pub call: String,
    /// What the kernel answered.
    pub errno: Errno,
}

impl CallError {
    pub(crate) fn new(call: impl Into<String>, errno: Errno) -> Self {
        Self {
            call: call.into(),
            errno,
        }
    }
}

/// `no such file or directory (ENOENT)`.
fn describe(errno: Errno) -> String {
    let text = errno.desc();
    let mut chars = text.chars();
    let lower: String = match (chars.next(), text.chars().nth(1)) {
        // "RPC version wrong" keeps its capitals.
        (Some(_), Some(second)) if second.is_uppercase() => text.to_owned(),
        (Some(first), _) => first.to_lowercase().chain(chars).collect(),
        (None, _) => String::new(),
    };
    format!("{lower} ({errno:?})")
}

/// Why a [`SuperblockMaker`](super::SuperblockMaker) made nothing, such as `fsconfig(tmpfs, size=1x): invalid argument`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MakeError(pub String);

impl From<CallError> for MakeError {
    fn from(error: CallError) -> Self {
        Self(error.to_string())
    }
}

/// What went wrong while planning or making mounts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// config.json asks for something that is not supported or makes no sense.
    #[error("{pointer}: {reason}")]
    Refused {
        /// JSON pointer into config.json.
        pointer: String,
        /// What is wrong there.
        reason: String,
    },
    /// One step of the plan failed.
    #[error("{action}: {cause}")]
    Step {
        /// Operation and object, `cannot mount /proc (/mounts/0)`.
        action: String,
        /// The underlying failure.
        cause: Box<Error>,
    },
    /// A system call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The superblock maker failed.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// What is found in the container's file system, or on the host, must not be used.
    #[error("{0}")]
    Unusable(String),
}

impl Error {
    pub(crate) fn refused(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused {
            pointer: pointer.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn during(self, action: impl Into<String>) -> Self {
        Self::Step {
            action: action.into(),
            cause: Box::new(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_error_reads_like_strace_in_house_style() {
        let error = CallError::new("openat2(/x)", Errno::ENOENT);
        assert_eq!(
            error.to_string(),
            "openat2(/x): no such file or directory (ENOENT)"
        );
    }
}
