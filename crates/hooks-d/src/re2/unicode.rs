//! `\p{…}`: general categories and scripts.

use regex_automata::util::syntax;

use super::Refused;
use super::cursor::Cursor;
use super::item::Item;

/// Parses what comes after `\p` or `\P`; `negated` is the latter.
pub fn parse(cursor: &mut Cursor<'_>, negated: bool) -> Result<Item, Refused> {
    let start = *cursor;
    let mut negated = negated;
    let refused = |name: &str| {
        let reason = format!("\\p: Go's RE2 knows no category or script {name:?}");
        Err(Refused::new(reason))
    };
    let name = if cursor.eat("{") {
        match cursor.until("}") {
            Some(name) => name,
            None => return Err(Refused::new("\\p{ is not closed")),
        }
    } else {
        cursor.next();
        cursor.since(start)
    };
    let name = match name.strip_prefix('^') {
        Some(rest) => {
            negated = !negated;
            rest
        }
        None => name,
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
    if name.is_empty() || !name.chars().all(is_word) {
        return refused(name);
    }
    // No text has a surrogate, and the tables do not have them either.
    if ["cs", "surrogate"].contains(&&*name.to_ascii_lowercase()) {
        return Ok(if negated { Item::ANY } else { Item::NOTHING });
    }
    // Named by their property, because a bare name would also find others that Go does not know.
    let sign = if negated { 'P' } else { 'p' };
    let candidates = ["gc", "sc"].map(|property| format!("\\{sign}{{{property}={name}}}"));
    match candidates
        .into_iter()
        .find(|text| syntax::parse(text).is_ok())
    {
        Some(text) => Ok(Item::Class(text)),
        None => refused(name),
    }
}
