//! Sets of characters: `[…]`, `\d`, `[:alpha:]`.

use super::Refused;
use super::cursor::Cursor;
use super::{escape, unicode};

/// Something that stands inside of brackets, in the target's dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The code points from the first to the last.
    Range(u32, u32),
    /// A class with a name.
    Class(String),
}

const SURROGATES: std::ops::RangeInclusive<u32> = 0xd800..=0xdfff;
const LAST: u32 = char::MAX as u32;

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

impl Item {
    /// Every character.
    pub const ANY: Item = Item::Range(0, LAST);
    /// No character: a text has no surrogates.
    pub const NOTHING: Item = Item::Range(0xd800, 0xd800);

    /// `\d` and its kin, which are ASCII in Go, and `\s` lacks the vertical tab.
    pub fn perl(letter: char) -> Option<Item> {
        Some(Item::Class(
            match letter {
                'd' => "[0-9]",
                'D' => "[^0-9]",
                's' => r"[\t\n\x0c\r ]",
                'S' => r"[^\t\n\x0c\r ]",
                'w' => "[0-9A-Za-z_]",
                'W' => "[^0-9A-Za-z_]",
                _ => return None,
            }
            .to_owned(),
        ))
    }

    fn write(&self, out: &mut String) {
        match self {
            Item::Class(text) => out.push_str(text),
            Item::Range(first, last) => {
                // A range may begin or end with a surrogate, which is no character.
                let first = if SURROGATES.contains(first) {
                    SURROGATES.end() + 1
                } else {
                    *first
                };
                let last = if SURROGATES.contains(last) {
                    SURROGATES.start() - 1
                } else {
                    *last
                };
                if first <= last {
                    out.push_str(&format!("\\x{{{first:x}}}-\\x{{{last:x}}}"));
                }
            }
        }
    }
}

/// One set in the target's dialect.
pub fn write(items: &[Item], negated: bool) -> String {
    let mut set = String::new();
    items.iter().for_each(|item| item.write(&mut set));
    match (set.is_empty(), negated) {
        (false, false) => format!("[{set}]"),
        (false, true) => format!("[^{set}]"),
        (true, false) => format!("[^\\x{{0}}-\\x{{{LAST:x}}}]"),
        (true, true) => format!("[\\x{{0}}-\\x{{{LAST:x}}}]"),
    }
}

/// Parses what comes after `[`.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<String, Refused> {
    let negated = cursor.eat("^");
    let mut items = Vec::new();
    // A bracket is a character when it comes first.
    while items.is_empty() || !cursor.eat("]") {
        items.push(item(cursor)?);
    }
    Ok(write(&items, negated))
}

fn item(cursor: &mut Cursor<'_>) -> Result<Item, Refused> {
    if let Some(item) = posix(cursor)? {
        return Ok(item);
    }
    let mut ahead = *cursor;
    if ahead.eat("\\") {
        let letter = ahead.next();
        if let Some('p' | 'P') = letter {
            *cursor = ahead;
            return unicode::parse(cursor, letter == Some('P'));
        }
        if let Some(item) = letter.and_then(Item::perl) {
            *cursor = ahead;
            return Ok(item);
        }
    }
    let start = *cursor;
    let first = character(cursor)?;
    // A hyphen before the closing bracket is a character.
    let mut ahead = *cursor;
    let last = if ahead.eat("-") && !ahead.rest().starts_with(']') && !ahead.rest().is_empty() {
        *cursor = ahead;
        character(cursor)?
    } else {
        first
    };
    if last < first {
        let range = cursor.since(start);
        return Err(Refused::new(format!("the range {range:?} runs backwards")));
    }
    Ok(Item::Range(first, last))
}

/// `[:alpha:]` or `[:^alpha:]`; without the end the bracket is a character.
fn posix(cursor: &mut Cursor<'_>) -> Result<Option<Item>, Refused> {
    let mut ahead = *cursor;
    if !ahead.eat("[:") {
        return Ok(None);
    }
    let Some(name) = ahead.until(":]") else {
        return Ok(None);
    };
    if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err(Refused::new(format!("unknown class \"[:{name}:]\"")));
    }
    *cursor = ahead;
    Ok(Some(Item::Class(format!("[:{name}:]"))))
}

fn character(cursor: &mut Cursor<'_>) -> Result<u32, Refused> {
    match cursor.next() {
        Some('\\') => escape::parse(cursor),
        Some(c) => Ok(c.into()),
        None => Err(Refused::new("a bracket \"[\" is not closed")),
    }
}
