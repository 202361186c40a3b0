//! Words of a command line one by one: options with their values, and other words.
//!
//! The runtimes use three parsers. Go's takes one hyphen for two (`-root D`), GNU's takes values behind a letter (`-bD`),
//! letters in a row and abbreviations, clap's takes options behind the id. All of that is understood, since a bundle that
//! is not recognised would be a container without its hooks.

use super::options::{COMMANDS, Table};

/// The words that have not been looked at.
pub(super) struct Scan<'a> {
    words: std::slice::Iter<'a, &'a [u8]>,
    /// Only words are left, after `--`.
    no_options: bool,
}

/// One piece of the command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// No option.
    Word(&'a [u8]),
    /// An option of the table; without a value, that is empty.
    Option {
        /// Its long name.
        name: &'static str,
        /// Its value.
        value: &'a [u8],
    },
    /// An option that is not in the table.
    Unknown {
        /// Whether its value is part of the word.
        has_value: bool,
    },
    /// An option at the end of the line that needs a value.
    ValueMissing,
}

impl<'a> Scan<'a> {
    /// Begins at the first word.
    pub fn new(words: &'a [&'a [u8]]) -> Scan<'a> {
        Scan {
            words: words.iter(),
            no_options: false,
        }
    }

    /// The words behind the command, which has options of its own.
    pub fn behind_command(&self) -> Scan<'a> {
        Scan::new(self.words.as_slice())
    }

    /// The next piece; none at the end.
    pub fn next(&mut self, table: &Table) -> Option<Token<'a>> {
        let word = *self.words.next()?;
        if self.no_options || word == b"-" {
            return Some(Token::Word(word));
        }
        if word == b"--" {
            self.no_options = true;
            return self.next(table);
        }
        Some(match (word.strip_prefix(b"--"), word.strip_prefix(b"-")) {
            (Some(long), _) => {
                let (name, value) = split(long);
                self.option(table.long(name), value)
            }
            (None, Some(short)) => match split(short) {
                // A single letter is an option of its own even where a long one of that name would be.
                (name, value) if name.len() > 1 && table.exact(name).is_some() => {
                    self.option(table.exact(name), value)
                }
                _ => self.letters(table, short),
            },
            (None, None) => Token::Word(word),
        })
    }

    /// After an unknown option without `=`: the next word is its value, unless it is a command or an option.
    pub fn skip_value_of_unknown(&mut self) {
        if let Some(word) = self.words.as_slice().first()
            && !word.starts_with(b"-")
            && !COMMANDS.contains(word)
        {
            self.words.next();
        }
    }

    fn option(
        &mut self,
        found: Option<(&'static str, bool)>,
        value: Option<&'a [u8]>,
    ) -> Token<'a> {
        let Some((name, takes_value)) = found else {
            return Token::Unknown {
                has_value: value.is_some(),
            };
        };
        match value {
            Some(value) => Token::Option { name, value },
            None if !takes_value => Token::Option { name, value: b"" },
            None => match self.words.next() {
                Some(value) => Token::Option { name, value },
                None => Token::ValueMissing,
            },
        }
    }

    /// Letters in a row, of which the first that takes a value ends the row.
    fn letters(&mut self, table: &Table, letters: &'a [u8]) -> Token<'a> {
        let unknown = Token::Unknown {
            has_value: letters.contains(&b'='),
        };
        let mut token = Token::ValueMissing;
        for (i, letter) in letters.iter().enumerate() {
            let Some((name, takes_value)) = table.short(*letter) else {
                return unknown;
            };
            if takes_value {
                let rest = &letters[i + 1..];
                let value = rest.strip_prefix(b"=").unwrap_or(rest);
                return self.option(Some((name, true)), (!rest.is_empty()).then_some(value));
            }
            token = Token::Option { name, value: b"" };
        }
        token
    }
}

/// Name and value of `name=value`.
fn split(option: &[u8]) -> (&[u8], Option<&[u8]>) {
    match option.iter().position(|byte| *byte == b'=') {
        Some(at) => (&option[..at], Some(&option[at + 1..])),
        None => (option, None),
    }
}
