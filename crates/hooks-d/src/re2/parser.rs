//! From a whole pattern to one in the target's dialect.

use super::class;
use super::cursor::Cursor;
use super::flags::{self, Flags, Opening};
use super::item::{self, Item};
use super::plain::{Kind, Plain};
use super::repeat::Repeat;
use super::{Refused, escape, unicode};

/// How deep the translated pattern may be nested, counting groups, alternatives, sequences, repetitions and sets. Compiling
/// takes stack in proportion. Go allows 1000 levels, and nobody needs either.
pub const DEEPEST: u32 = 250;

/// Levels of a group: itself, its alternatives, each a sequence.
const GROUP: u32 = 3;

/// Something that can be repeated.
struct Atom {
    /// In the target's dialect.
    text: String,
    /// The greatest product of nested counts in it.
    product: u32,
    /// Levels of nesting in it.
    depth: u32,
    /// Whether it ends with a repetition, to which another sign must not be joined.
    repeated: bool,
    /// What it is.
    kind: Kind,
}

impl Atom {
    fn new(text: impl Into<String>, kind: Kind) -> Atom {
        Atom {
            text: text.into(),
            product: 1,
            // A set in a set in a flag's group.
            depth: GROUP + 2,
            repeated: false,
            kind,
        }
    }
}

/// A group that is not closed, or the whole of the pattern.
#[derive(Default)]
struct Group {
    /// The flags after its end.
    outer: Flags,
    /// The finished alternatives, each followed by a bar.
    alternatives: String,
    /// The greatest product of nested counts in these.
    product: u32,
    /// Levels of nesting in these.
    depth: u32,
    /// The alternative that is being parsed.
    atoms: Vec<Atom>,
}

impl Group {
    fn end_alternative(&mut self) {
        for atom in self.atoms.drain(..) {
            self.alternatives.push_str(&atom.text);
            self.product = self.product.max(atom.product);
            self.depth = self.depth.max(atom.depth);
        }
    }

    fn into_atom(mut self) -> Atom {
        self.end_alternative();
        Atom {
            text: format!("(?:{})", self.alternatives),
            product: self.product.max(1),
            depth: self.depth + GROUP,
            repeated: false,
            kind: Kind::Other,
        }
    }
}

#[derive(Default)]
struct Parser {
    flags: Flags,
    outer: Vec<Group>,
    group: Group,
}

/// A pattern of Go's regexp in the other dialect.
pub enum Translated {
    /// It is a text.
    Plain(Plain),
    /// It must be compiled.
    Regex(String),
}

/// Translates a pattern of Go's regexp.
///
/// # Errors
/// When Go refuses it, or when it is nested deeper than [`DEEPEST`].
pub fn translate(pattern: &str) -> Result<Translated, Refused> {
    let mut parser = Parser::default();
    let mut cursor = Cursor::new(pattern);
    let mut after_repeat = false;
    while let Some(next) = cursor.peek() {
        let start = cursor;
        match Repeat::parse(&mut cursor)? {
            Some(repeat) => {
                cursor.eat("?");
                if after_repeat {
                    return Err(parser.stacked(cursor.since(start)));
                }
                parser.repeat(repeat, cursor.since(start))?;
                after_repeat = true;
            }
            None => {
                cursor.next();
                parser.sign(next, &mut cursor)?;
                after_repeat = false;
            }
        }
    }
    if !parser.outer.is_empty() {
        return Err(Refused::new("a parenthesis \"(\" is not closed"));
    }
    let group = parser.group;
    let kinds = group.atoms.iter().map(|atom| atom.kind);
    let plain = group.alternatives.is_empty().then(|| Plain::of(kinds));
    Ok(match plain.flatten() {
        Some(plain) => Translated::Plain(plain),
        None => Translated::Regex(group.into_atom().text),
    })
}

impl Parser {
    /// Whatever is no repetition; `next` has been taken.
    fn sign(&mut self, next: char, cursor: &mut Cursor<'_>) -> Result<(), Refused> {
        match next {
            '(' => self.open(cursor)?,
            ')' => self.close()?,
            '|' => {
                self.group.end_alternative();
                self.group.alternatives.push('|');
            }
            '^' if self.flags.multi_line => self.push("(?m:^)", Kind::Other),
            '^' => self.push("\\A", Kind::Start),
            '$' if self.flags.multi_line => self.push("(?m:$)", Kind::Other),
            '$' => self.push("\\z", Kind::End),
            '.' if self.flags.dot_newline => self.push("(?s:.)", Kind::Other),
            '.' => self.push(".", Kind::Other),
            '[' => {
                let set = class::parse(cursor)?;
                self.push_set(set);
            }
            '\\' => self.escape(cursor)?,
            c => self.literal(c.into()),
        }
        Ok(())
    }

    fn open(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Refused> {
        let inner = if cursor.eat("?") {
            match flags::parse(cursor, self.flags)? {
                Opening::Group(flags) => flags,
                Opening::Set(flags) => {
                    self.flags = flags;
                    return Ok(());
                }
            }
        } else {
            self.flags
        };
        let group = Group {
            outer: self.flags,
            ..Group::default()
        };
        self.outer.push(std::mem::replace(&mut self.group, group));
        self.flags = inner;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Refused> {
        let Some(outer) = self.outer.pop() else {
            return Err(Refused::new("a parenthesis \")\" was not opened"));
        };
        let group = std::mem::replace(&mut self.group, outer);
        self.flags = group.outer;
        self.push_nested(group.into_atom())
    }

    fn repeat(&mut self, repeat: Repeat, found: &str) -> Result<(), Refused> {
        let Some(atom) = self.group.atoms.pop() else {
            return Err(Refused::new(format!(
                "there is nothing that {found:?} repeats"
            )));
        };
        let operator = repeat.text();
        let (text, levels) = if atom.repeated {
            (format!("(?:{}){operator}", atom.text), GROUP + 1)
        } else {
            (format!("{}{operator}", atom.text), 1)
        };
        self.push_nested(Atom {
            text,
            product: repeat.product(atom.product)?,
            depth: atom.depth + levels,
            repeated: true,
            kind: match repeat {
                Repeat::Sign('*' | '?') => Kind::Optional,
                _ => Kind::Other,
            },
        })
    }

    /// Whatever holds something else.
    fn push_nested(&mut self, atom: Atom) -> Result<(), Refused> {
        if atom.depth + GROUP > DEEPEST {
            return Err(Refused::new(format!(
                "is nested deeper than {DEEPEST} levels"
            )));
        }
        self.group.atoms.push(atom);
        Ok(())
    }

    /// Two repetitions in a row.
    fn stacked(&self, found: &str) -> Refused {
        let possessive = if found == "+" {
            ", and Go's RE2 has no possessive ones"
        } else {
            ""
        };
        Refused::new(format!("{found:?} repeats a repetition{possessive}"))
    }

    fn escape(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Refused> {
        let mut ahead = *cursor;
        let letter = ahead.next();
        match letter {
            Some('A') => self.push("\\A", Kind::Start),
            Some('z') => self.push("\\z", Kind::End),
            Some('b') => self.push("(?-u:\\b)", Kind::Other),
            Some('B') => self.push("(?-u:\\B)", Kind::Other),
            Some('Q') => {
                let text = ahead.until("\\E").unwrap_or_else(|| ahead.all());
                text.chars().for_each(|c| self.literal(c.into()));
            }
            Some('p' | 'P') => {
                let item = unicode::parse(&mut ahead, letter == Some('P'))?;
                self.push_set(item::write(&[item], false));
            }
            _ => match letter.and_then(Item::perl) {
                Some(item) => self.push_set(item::write(&[item], false)),
                None => {
                    ahead = *cursor;
                    let c = escape::parse(&mut ahead)?;
                    self.literal(c);
                }
            },
        }
        *cursor = ahead;
        Ok(())
    }

    /// One character as itself.
    fn literal(&mut self, c: u32) {
        let Some(c) = char::from_u32(c) else {
            return self.push(item::write(&[Item::NOTHING], false), Kind::Other);
        };
        let text = if c.is_ascii_alphanumeric() || c == '_' || c == '/' {
            c.to_string()
        } else {
            format!("\\x{{{:x}}}", u32::from(c))
        };
        if self.flags.fold {
            self.push_set(text);
        } else {
            self.push(text, Kind::Char(c));
        }
    }

    /// A set, or a character in any case.
    fn push_set(&mut self, text: String) {
        if self.flags.fold {
            self.push(format!("(?i:{text})"), Kind::Other);
        } else {
            self.push(text, Kind::Other);
        }
    }

    fn push(&mut self, text: impl Into<String>, kind: Kind) {
        self.group.atoms.push(Atom::new(text, kind));
    }
}
