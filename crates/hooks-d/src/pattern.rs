//! A pattern of a condition.

use regex::Regex;

/// A regular expression that may match anywhere in a text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Compiles a pattern. The error says why it is not one, on one line.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let regex = Regex::new(text).map_err(|e| {
            let text = e.to_string();
            text.lines().last().unwrap_or(&text).to_owned()
        })?;
        Ok(Pattern {
            text: text.to_owned(),
            regex,
        })
    }

    /// Whether the pattern matches somewhere in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The pattern as it stands in the file.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}
