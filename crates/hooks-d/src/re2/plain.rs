//! Patterns without any operator that matters: a text, perhaps at the beginning or end.
//!
//! Most patterns of hook files are of this kind, and then nothing has to be compiled.

/// What an atom of a pattern is, as far as that is of use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One character as itself.
    Char(char),
    /// The beginning of the text.
    Start,
    /// The end of the text.
    End,
    /// Something that may as well match nothing.
    Optional,
    /// Anything else.
    Other,
}

/// A pattern that is a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// Whether it must stand at the beginning.
    start: bool,
    /// Whether it must stand at the end.
    end: bool,
    text: String,
}

impl Plain {
    /// The text that a sequence of atoms is, if it is one.
    pub fn of(atoms: impl IntoIterator<Item = Kind>) -> Option<Plain> {
        let mut atoms: Vec<Kind> = atoms.into_iter().collect();
        let start = atoms.first() == Some(&Kind::Start);
        let end = atoms.len() > usize::from(start) && atoms.last() == Some(&Kind::End);
        if end {
            atoms.pop();
        }
        // Where nothing is anchored, it does not matter what else may be there.
        let mut atoms = &atoms[usize::from(start)..];
        while let ([Kind::Optional, rest @ ..], false) = (atoms, start) {
            atoms = rest;
        }
        while let ([rest @ .., Kind::Optional], false) = (atoms, end) {
            atoms = rest;
        }
        let text = atoms.iter().map(|kind| match kind {
            Kind::Char(c) => Some(*c),
            _ => None,
        });
        Some(Plain {
            start,
            end,
            text: text.collect::<Option<String>>()?,
        })
    }

    /// Whether it is in `text` where it must be.
    pub fn is_match(&self, text: &str) -> bool {
        match (self.start, self.end) {
            (true, true) => text == self.text,
            (true, false) => text.starts_with(&self.text),
            (false, true) => text.ends_with(&self.text),
            (false, false) => text.contains(&self.text),
        }
    }
}
