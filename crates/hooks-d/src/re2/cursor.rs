//! The rest of a pattern.

/// What is still to be parsed. Copied to try something.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// The whole of a pattern.
    pub fn new(pattern: &'a str) -> Cursor<'a> {
        Cursor { rest: pattern }
    }

    /// What is left.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// The next character, which stays.
    pub fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes the next character.
    pub fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// Takes this text if it is next.
    pub fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes all up to `end` and that as well; what is before it is the result. Without `end` nothing is taken.
    pub fn until(&mut self, end: &str) -> Option<&'a str> {
        let (before, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(before)
    }

    /// Takes all that is left.
    pub fn all(&mut self) -> &'a str {
        std::mem::take(&mut self.rest)
    }

    /// What has been taken since an earlier copy of this cursor.
    pub fn since(&self, earlier: Cursor<'a>) -> &'a str {
        let taken = earlier.rest.len() - self.rest.len();
        &earlier.rest[..taken]
    }
}
