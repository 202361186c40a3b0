//! What is to become of one file.

use std::path::PathBuf;

use similar::TextDiff;

/// A file as it is and as it is to be; `None` is a file that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// Its content now.
    pub before: Option<String>,
    /// Its content then.
    pub after: Option<String>,
}

impl Change {
    /// The change as a unified diff, which patch(1) understands.
    pub fn diff(&self) -> String {
        let name = |content: &Option<String>| match content {
            Some(_) => self.path.display().to_string(),
            None => "/dev/null".to_owned(),
        };
        let before = self.before.as_deref().unwrap_or_default();
        let after = self.after.as_deref().unwrap_or_default();
        TextDiff::from_lines(before, after)
            .unified_diff()
            .header(&name(&self.before), &name(&self.after))
            .to_string()
    }
}
