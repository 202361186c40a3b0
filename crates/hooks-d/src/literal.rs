//! Patterns that are plain texts, as most are: they need no automaton, which would take longer to build than all the rest of
//! a hook file.

/// A text, perhaps bound to the beginning or the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    text: String,
    at_start: bool,
    at_end: bool,
}

impl Literal {
    /// The text that a pattern stands for, in Go's dialect; `None` when it is more than a text.
    pub fn of(pattern: &str) -> Option<Literal> {
        // What may follow a match does not matter.
        let pattern = pattern.strip_suffix(".*").unwrap_or(pattern);
        let (pattern, at_start) = match pattern.strip_prefix('^') {
            Some(rest) => (rest, true),
            None => (pattern, false),
        };
        let (pattern, at_end) = match pattern.strip_suffix('$') {
            // An escaped one is not the end.
            Some(rest) if !rest.ends_with('\\') => (rest, true),
            _ => (pattern, false),
        };
        let mut text = String::with_capacity(pattern.len());
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            text.push(match c {
                '\\' => chars.next().filter(char::is_ascii_punctuation)?,
                '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => {
                    return None;
                }
                c => c,
            });
        }
        Some(Literal {
            text,
            at_start,
            at_end,
        })
    }

    /// Whether the text stands where it has to.
    pub fn is_match(&self, text: &str) -> bool {
        match (self.at_start, self.at_end) {
            (true, true) => text == self.text,
            (true, false) => text.starts_with(&self.text),
            (false, true) => text.ends_with(&self.text),
            (false, false) => text.contains(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_are_literals() {
        for pattern in [
            "a+", "a|b", "(a)", "[a]", "a{2}", "^.*$", ".", "a$b", "^^a", r"\d", r"a\", r"a\.*",
            r"\x41", r"\Qa\E", r"a\\$b", "a.*b",
        ] {
            assert_eq!(Literal::of(pattern), None, "{pattern}");
        }
        for (pattern, text, at_start, at_end) in [
            ("", "", false, false),
            (".*", "", false, false),
            ("^", "", true, false),
            ("^a$", "a", true, true),
            (r"^com\.example\.x$", "com.example.x", true, true),
            (r"a\$", "a$", false, false),
            ("^/usr/bin/.*", "/usr/bin/", true, false),
            ("sh$", "sh", false, true),
            ("é-_\n", "é-_\n", false, false),
        ] {
            let text = text.to_owned();
            let literal = Literal {
                text,
                at_start,
                at_end,
            };
            assert_eq!(Literal::of(pattern), Some(literal), "{pattern}");
        }
    }
}
