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
    /// The list of system calls is cut short or of another version.
    BadCalls = 30,
    /// A string to be encoded holds a NUL byte.
    InnerNul = 31,
    /// The file holds more than the one string it should.
    ExtraString = 32,
}

impl TreeError {
    /// Every defect, in the order of the codes.
    pub const ALL: [TreeError; 13] = [
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
        TreeError::BadCalls,
        TreeError::InnerNul,
        TreeError::ExtraString,
    ];

    /// The launcher's exit code for this defect.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The text of this defect for the launcher, which has one table in the place of a table of strings.
    pub fn bytes(self) -> &'static [u8] {
        crate::lookup(&TABLE, self.code())
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
            TreeError::BadCalls => "malformed list of system calls",
            TreeError::InnerNul => "string holds a NUL byte",
            TreeError::ExtraString => "more than one string",
        }
    }
}

/// For [`lookup`](crate::lookup).
const TABLE: [u8; table(&mut [])] = {
    let mut bytes = [0; table(&mut [])];
    table(&mut bytes);
    bytes
};

/// Writes the texts, each behind its key, as far as there is room, and says how long they are.
const fn table(bytes: &mut [u8]) -> usize {
    let (mut length, mut index) = (0, 0);
    while index < TreeError::ALL.len() {
        let error = TreeError::ALL[index];
        let text = error.text().as_bytes();
        let mut place = 0;
        while place <= text.len() {
            if length < bytes.len() {
                bytes[length] = match place {
                    0 => error.code() | crate::table::KEY,
                    _ => text[place - 1],
                };
            }
            length += 1;
            place += 1;
        }
        index += 1;
    }
    length
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
            assert_eq!(error.bytes(), error.text().as_bytes());
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
