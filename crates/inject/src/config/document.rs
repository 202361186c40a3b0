//! Where the values that are edited stand in the text of a config.json.
//!
//! Nothing is converted: a value is the piece of text that spells it, so that numbers of any size, escapes and white
//! space stay what they are.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::ConfigError;

/// The members of an object in their order, duplicates included.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        json.deserialize_map(Collect)
    }
}

impl<'a> Members<'a> {
    /// The value of a key that may be edited.
    ///
    /// Two members of that name would be read differently by different runtimes, and so would one in other letters,
    /// since Go ignores the case of keys; `any_case` is for keys that Go takes exactly.
    fn unique(
        &self,
        pointer: &str,
        key: &str,
        any_case: bool,
    ) -> Result<Option<&'a RawValue>, ConfigError> {
        let mut found = None;
        for (other, value) in &self.0 {
            if other == key && found.is_some() {
                return Err(ConfigError::at(format!("{pointer}/{key}"), "duplicate key"));
            }
            if other == key {
                found = Some(*value);
            } else if !any_case && folded(other) == folded(key) {
                let reason = format!("some runtimes read this as {key:?}");
                return Err(ConfigError::at(format!("{pointer}/{other}"), reason));
            }
        }
        Ok(found)
    }

    /// The value of a member that the runtime-spec names.
    pub fn member(&self, pointer: &str, key: &str) -> Result<Option<&'a RawValue>, ConfigError> {
        self.unique(pointer, key, false)
    }

    /// The value of an entry in a map whose keys are free.
    pub fn entry(&self, pointer: &str, key: &str) -> Result<Option<&'a RawValue>, ConfigError> {
        self.unique(pointer, key, true)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where another member would follow the last one, in the object whose brace stands at `open`.
    pub fn end(&self, text: &str, open: usize) -> usize {
        self.0
            .last()
            .map_or(open + 1, |(_, raw)| span(text, raw).end)
    }

    /// What has to be cut out of the object whose brace stands at `open` for the member `key` to be gone.
    pub fn cut(&self, text: &str, open: usize, key: &str) -> Option<Range<usize>> {
        let at = self.0.iter().position(|(other, _)| other == key)?;
        let end = span(text, self.0[at].1).end;
        Some(match at.checked_sub(1) {
            Some(before) => span(text, self.0[before].1).end..end,
            // The comma follows after nothing but white space, if there is another member.
            None if self.0.len() > 1 => {
                open + 1..end + text[end..].find(',').map_or(0, |at| at + 1)
            }
            None => open + 1..end,
        })
    }
}

/// As Go compares keys: by simple folding, in which the long s and the sign of kelvin are letters as well.
fn folded(key: &str) -> String {
    key.to_uppercase().to_lowercase()
}

/// Where a value that was parsed out of `text` stands in it.
pub(super) fn span(text: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr() - text.as_ptr().addr();
    start..start + value.get().len()
}

/// The members of the whole document, and where its brace stands.
pub(super) fn root(text: &str) -> Result<(Members<'_>, usize), ConfigError> {
    let open = text.len() - text.trim_ascii_start().len();
    match text.as_bytes().get(open) {
        None => Err(ConfigError::Empty),
        Some(b'{') => Ok((
            serde_json::from_str(text).map_err(ConfigError::Syntax)?,
            open,
        )),
        Some(_) => match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => Err(ConfigError::NotAnObject),
            Err(error) => Err(ConfigError::Syntax(error)),
        },
    }
}

/// Whether a value is there. Go programs write null for an empty list or map.
pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// The members of an object; none where it is missing or null.
pub(super) fn members<'a>(
    pointer: &str,
    value: Option<&'a RawValue>,
) -> Result<Members<'a>, ConfigError> {
    collection(pointer, value, '{', "an object")
}

/// The elements of an array; none where it is missing or null.
pub(super) fn elements<'a>(
    pointer: &str,
    value: Option<&'a RawValue>,
) -> Result<Vec<&'a RawValue>, ConfigError> {
    collection(pointer, value, '[', "an array")
}

fn collection<'a, T: Deserialize<'a> + Default>(
    pointer: &str,
    value: Option<&'a RawValue>,
    begin: char,
    wanted: &str,
) -> Result<T, ConfigError> {
    match value {
        None => Ok(T::default()),
        Some(value) if is_null(value) => Ok(T::default()),
        // The text is known to be JSON, so what begins like one is one.
        Some(value) if value.get().starts_with(begin) => {
            serde_json::from_str(value.get()).map_err(ConfigError::Syntax)
        }
        Some(_) => Err(ConfigError::at(pointer, format!("expected {wanted}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> String {
        let (members, open) = root(text).unwrap();
        let range = members.cut(text, open, "x").unwrap();
        format!("{}{}", &text[..range.start], &text[range.end..])
    }

    #[test]
    fn a_member_is_cut_with_its_comma() {
        assert_eq!(cut(r#"{"x": 1}"#), "{}");
        assert_eq!(cut(r#" { "x" : [1,2] , "b":2}"#), r#" { "b":2}"#);
        assert_eq!(cut(r#"{"a":1, "x":{"y":2} }"#), r#"{"a":1 }"#);
        assert_eq!(cut(r#"{"a":1, "x":"}" ,"c":3}"#), r#"{"a":1 ,"c":3}"#);
    }

    #[test]
    fn what_runtimes_would_read_differently_is_refused() {
        for (text, error) in [
            (r#"{"x":1,"x":2}"#, "/x: duplicate key"),
            ("{\"x\":1,\"\\u0078\":2}", "/x: duplicate key"),
            (r#"{"X":1}"#, r#"/X: some runtimes read this as "x""#),
        ] {
            let (members, _) = root(text).unwrap();
            assert_eq!(members.member("", "x").unwrap_err().to_string(), error);
        }
        let (members, _) = root(r#"{"X":1}"#).unwrap();
        assert!(members.entry("", "x").unwrap().is_none());
        assert_eq!(folded("hoo\u{212a}\u{17f}"), "hooks");
    }

    #[test]
    fn documents_that_are_no_object() {
        for (text, error) in [
            ("", "empty"),
            (" \n", "empty"),
            ("[]", "not a JSON object"),
            ("{} x", "not JSON: trailing characters at line 1 column 4"),
            (
                "{\"a\":",
                "not JSON: EOF while parsing a value at line 1 column 5",
            ),
            ("\u{feff}{}", "not JSON: expected value at line 1 column 1"),
        ] {
            assert_eq!(root(text).unwrap_err().to_string(), error, "{text}");
        }
    }

    #[test]
    fn deep_nesting_and_numbers_of_any_size_are_no_trouble() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(root(&deep).is_ok());
        let text = r#"{"n":123456789012345678901234567890e99999}"#;
        let (members, _) = root(text).unwrap();
        let value = members.member("", "n").unwrap().unwrap();
        assert_eq!(span(text, value), 5..text.len() - 1);
    }
}
