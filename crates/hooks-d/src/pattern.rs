//! A pattern of a condition: Go's dialect, matched by regex-automata.

use regex_automata::meta::{self, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::util::syntax;

use crate::re2::{self, Plain, Translated};

/// A regular expression of Go's dialect that may match anywhere in a text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    Plain(Plain),
    Regex(Regex),
}

impl Pattern {
    /// Translates and compiles a pattern. The error says on one line why it is refused.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let translated = re2::translate(text).map_err(|refused| refused.to_string())?;
        Ok(Pattern {
            text: text.to_owned(),
            matcher: match translated {
                Translated::Plain(plain) => Matcher::Plain(plain),
                Translated::Regex(regex) => Matcher::Regex(compile(&regex)?),
            },
        })
    }

    /// Whether the pattern matches somewhere in `text`. It takes time in proportion to the text, whatever the pattern.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.matcher {
            Matcher::Plain(plain) => plain.is_match(text),
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
