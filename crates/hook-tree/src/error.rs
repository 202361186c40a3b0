//! What can be wrong with the bytes of a tree.

/// A defect of the tree. The number of each is the launcher's exit code for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TreeError {
    /// The file does not end with NUL.
    Unterminated = 20,
    /// The executable's path is missing or empty.
    NoPath = 21,
    /// A path that must be absolute is not.
    RelativePath = 22,
    /// The path is not followed by any argument, not even argv\[0\].
    EmptyArgv = 23,
    /// An entry of the environment has no `=`.
    NoEquals = 24,
    /// The timeout is no positive integer.
    BadTimeout = 25,
    /// The timeout is there twice.
    TimeoutTwice = 26,
    /// The hooks of a phase are not numbered 1, 2, 3, …
    Gap = 27,
    /// A directory of the tree holds a name that the format does not know.
    UnknownName = 28,
    /// The file is larger than [`FILE_LIMIT`](crate::names::FILE_LIMIT).
    TooLarge = 29,
    /// A setting is not of the form `key=value`, or the key is unknown.
    UnknownSetting = 30,
    /// A setting is there twice.
    SettingTwice = 31,
    /// The value of a setting is malformed or out of range.
    BadSetting = 32,
    /// The seccomp filter is empty, too long, or no whole number of instructions.
    BadSeccomp = 33,
    /// A string to be encoded holds a NUL byte.
    InnerNul = 34,
    /// The file holds more than the one string it should.
    ExtraString = 35,
}

impl TreeError {
    /// Every defect, in the order of the codes.
    pub const ALL: [TreeError; 16] = [
        TreeError::Unterminated,
        TreeError::NoPath,
        TreeError::RelativePath,
        TreeError::EmptyArgv,
        TreeError::NoEquals,
        TreeError::BadTimeout,
        TreeError::TimeoutTwice,
        TreeError::Gap,
        TreeError::UnknownName,
        TreeError::TooLarge,
        TreeError::UnknownSetting,
        TreeError::SettingTwice,
        TreeError::BadSetting,
        TreeError::BadSeccomp,
        TreeError::InnerNul,
        TreeError::ExtraString,
    ];

    /// The launcher's exit code for this defect.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// A short text without the name of the file, lower case and without a full stop.
    pub const fn text(self) -> &'static str {
        match self {
            TreeError::Unterminated => "no NUL at the end",
            TreeError::NoPath => "path of the executable is missing",
            TreeError::RelativePath => "path is not absolute",
            TreeError::EmptyArgv => "argv is empty",
            TreeError::NoEquals => "environment entry without '='",
            TreeError::BadTimeout => "OCI_HOOK_TIMEOUT is not a positive integer",
            TreeError::TimeoutTwice => "OCI_HOOK_TIMEOUT is given twice",
            TreeError::Gap => "hooks are not numbered 1, 2, 3 and so on",
            TreeError::UnknownName => "unknown name in the hook tree",
            TreeError::TooLarge => "file is larger than 2 MiB",
            TreeError::UnknownSetting => "unknown setting",
            TreeError::SettingTwice => "setting is given twice",
            TreeError::BadSetting => "value of a setting is malformed",
            TreeError::BadSeccomp => "seccomp filter has a wrong size",
            TreeError::InnerNul => "string holds a NUL byte",
            TreeError::ExtraString => "more than one string",
        }
    }
}

impl core::fmt::Display for TreeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for TreeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_consecutive_and_texts_differ() {
        for (index, error) in TreeError::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(error.code()), 20 + index);
            assert!(
                TreeError::ALL
                    .into_iter()
                    .filter(|other| other.text() == error.text())
                    .count()
                    == 1
            );
        }
    }
}
