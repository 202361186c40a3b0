//! A pattern of a condition: Go's dialect, matched by regex-automata.

use regex_automata::meta::{self, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::util::syntax;

use crate::literal::Literal;
use crate::re2;

/// A regular expression of Go's dialect that may match anywhere in a text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    Literal(Literal),
    Regex(Regex),
}

impl Pattern {
    /// Translates and compiles a pattern. The error says on one line why it is refused.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let matcher = match Literal::of(text) {
            Some(literal) => Matcher::Literal(literal),
            None => {
                let translated = re2::translate(text).map_err(|refused| refused.to_string())?;
                Matcher::Regex(compile(&translated)?)
            }
        };
        Ok(Pattern {
            text: text.to_owned(),
            matcher,
        })
    }

    /// Whether the pattern matches somewhere in `text`. It takes time in proportion to the text, whatever the pattern.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.matcher {
            Matcher::Literal(literal) => literal.is_match(text),
            Matcher::Regex(regex) => regex.is_match(text),
        }
    }

    /// The pattern as it stands in the file.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

/// Most patterns are used once, on a short text. The automata and searchers that make matching faster take ten times as
/// long to build as the pattern needs without them.
fn compile(translated: &str) -> Result<Regex, String> {
    let config = meta::Config::new()
        .auto_prefilter(false)
        .dfa(false)
        .hybrid(false)
        .onepass(false)
        .which_captures(WhichCaptures::Implicit);
    meta::Builder::new()
        .configure(config)
        .syntax(syntax::Config::new().nest_limit(re2::DEEPEST))
        .build(translated)
        .map_err(|e| match e.size_limit() {
            Some(limit) => format!("needs more than {} MiB of memory", limit >> 20),
            None => format!("is translated to {translated:?}, which cannot be compiled: {e}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_literal_matches_what_its_regular_expression_does(
            pattern in r"\^?([ab-]|\\[.$^\\-])?[ab]{0,2}(\\\$)?\$?(\.\*)?",
            text in r"[ab.$^\\\n-]{0,4}",
        ) {
            let literal = Literal::of(&pattern);
            let translated = re2::translate(&pattern);
            if let (Some(literal), Ok(translated)) = (&literal, translated) {
                let regex = compile(&translated).expect("a translated pattern");
                prop_assert_eq!(literal.is_match(&text), regex.is_match(&text));
            } else {
                prop_assert!(literal.is_none(), "refused as a regular expression");
            }
        }
    }
}
