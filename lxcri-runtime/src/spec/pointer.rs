//! JSON pointers (RFC 6901) that name a place in config.json.

use std::fmt;

/// A JSON pointer; the empty pointer is the whole document.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(String);

impl Pointer {
    /// The pointer to the whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// A pointer written out in the source, already escaped.
    pub fn at(pointer: &str) -> Self {
        Self(pointer.to_owned())
    }

    /// The member `key` of the object this points to.
    pub fn key(&self, key: &str) -> Self {
        let mut child = self.clone();
        child.push_key(key);
        child
    }

    /// The element `index` of the array this points to.
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// Appends the member `key`.
    pub fn push_key(&mut self, key: &str) {
        self.0.push('/');
        for c in key.chars() {
            match c {
                '~' => self.0.push_str("~0"),
                '/' => self.0.push_str("~1"),
                c => self.0.push(c),
            }
        }
    }

    /// The pointer as text, without the escapes that [`fmt::Display`] adds for control characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        one_line(&self.0, f)
    }
}

/// Writes text so that it stays on one line whatever the bundle's author put into it.
pub(super) fn one_line(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use fmt::Write;
    for c in text.chars() {
        if c.is_control() {
            write!(f, "{}", c.escape_debug())?;
        } else {
            f.write_char(c)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_slash_and_tilde() {
        let p = Pointer::root().key("linux").key("sysctl").key("net/ipv4~x");
        assert_eq!(p.to_string(), "/linux/sysctl/net~1ipv4~0x");
        assert_eq!(p.index(3).to_string(), "/linux/sysctl/net~1ipv4~0x/3");
    }

    #[test]
    fn stays_on_one_line() {
        let p = Pointer::root().key("a\nb\u{1b}[1m\0");
        assert_eq!(p.to_string(), "/a\\nb\\u{1b}[1m\\0");
    }
}
