//! Sets of characters: `[…]`, `\d`, `[:alpha:]`.

use super::Refused;
use super::cursor::Cursor;
use super::item::{self, Item};
use super::{escape, unicode};

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Parses what comes after `[`.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<String, Refused> {
    let negated = cursor.eat("^");
    let mut items = Vec::new();
    // A bracket is a character when it comes first.
    while items.is_empty() || !cursor.eat("]") {
        items.push(one(cursor)?);
    }
    Ok(item::write(&items, negated))
}

fn one(cursor: &mut Cursor<'_>) -> Result<Item, Refused> {
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
