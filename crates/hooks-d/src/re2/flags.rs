//! Flags of a pattern: `(?i)`, `(?i:…)`, and what else begins with `(?`.

use super::Refused;
use super::cursor::Cursor;

/// The flags that hold at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `i`: letters in any case.
    pub fold: bool,
    /// `m`: `^` and `$` match at lines.
    pub multi_line: bool,
    /// `s`: `.` matches a newline.
    pub dot_newline: bool,
}

/// What `(?` begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A group with these flags in it.
    Group(Flags),
    /// No group: these flags hold from here to the end of the one around.
    Set(Flags),
}

/// What other dialects have.
const FOREIGN: [(&str, &str); 10] = [
    ("=", "look-ahead (?=…)"),
    ("!", "look-ahead (?!…)"),
    ("<=", "look-behind (?<=…)"),
    ("<!", "look-behind (?<!…)"),
    (">", "atomic groups (?>…)"),
    ("#", "comments (?#…)"),
    ("(", "conditions (?(…)…)"),
    ("|", "branch reset (?|…)"),
    ("P=", "backreferences (?P=…)"),
    ("P>", "recursion (?P>…)"),
];

/// Parses what comes after `(?`.
pub fn parse(cursor: &mut Cursor<'_>, now: Flags) -> Result<Opening, Refused> {
    let start = *cursor;
    if let Some((_, name)) = FOREIGN
        .iter()
        .find(|(text, _)| cursor.rest().starts_with(text))
    {
        return Err(Refused::new(format!("Go's RE2 has no {name}")));
    }
    if cursor.eat("P<") || cursor.eat("<") {
        return name(cursor, start).map(|()| Opening::Group(now));
    }
    let mut flags = now;
    let mut on = true;
    let mut since_sign = 0;
    loop {
        match cursor.next() {
            Some('i') => flags.fold = on,
            Some('m') => flags.multi_line = on,
            Some('s') => flags.dot_newline = on,
            Some('U') => {}
            Some('-') if on => {
                on = false;
                since_sign = 0;
                continue;
            }
            Some(':') if on || since_sign > 0 => return Ok(Opening::Group(flags)),
            Some(')') if on || since_sign > 0 => return Ok(Opening::Set(flags)),
            _ => {
                let found = cursor.since(start);
                return Err(Refused::new(format!(
                    "unknown flags in \"(?{found}\", there are i, m, s and U"
                )));
            }
        }
        since_sign += 1;
    }
}

/// The name of a group, up to the `>`.
fn name<'a>(cursor: &mut Cursor<'a>, start: Cursor<'a>) -> Result<(), Refused> {
    let name = cursor.until(">").unwrap_or_default();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_word) {
        let shown: String = start.rest().chars().take(20).collect();
        return Err(Refused::new(format!(
            "\"(?{shown}\" begins no valid name of a group"
        )));
    }
    Ok(())
}
