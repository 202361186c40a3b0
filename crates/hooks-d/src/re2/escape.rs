//! A backslash that stands for one character.

use super::Refused;
use super::cursor::Cursor;

/// Parses what comes after a backslash as one code point, which may be a surrogate.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<u32, Refused> {
    let start = *cursor;
    let Some(c) = cursor.next() else {
        return Err(Refused::new("ends with a backslash"));
    };
    let found = match c {
        '0'..='7' => octal(c, cursor),
        'x' => hexadecimal(cursor),
        'a' => Some(0x07),
        'f' => Some(0x0c),
        'n' => Some(0x0a),
        'r' => Some(0x0d),
        't' => Some(0x09),
        'v' => Some(0x0b),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c.into()),
        _ => None,
    };
    found.ok_or_else(|| refused(c, cursor.since(start)))
}

/// Up to three digits. A single one but 0 would be a backreference.
fn octal(first: char, cursor: &mut Cursor<'_>) -> Option<u32> {
    let mut value = first.to_digit(8)?;
    for position in 1..3 {
        match cursor.peek().and_then(|c| c.to_digit(8)) {
            Some(digit) => {
                value = value * 8 + digit;
                cursor.next();
            }
            None if position == 1 && value != 0 => return None,
            None => break,
        }
    }
    Some(value)
}

/// Two digits, or any number in braces.
fn hexadecimal(cursor: &mut Cursor<'_>) -> Option<u32> {
    if !cursor.eat("{") {
        let high = cursor.next()?.to_digit(16)?;
        let low = cursor.next()?.to_digit(16)?;
        return Some(high * 16 + low);
    }
    let mut value = cursor.next()?.to_digit(16)?;
    loop {
        match cursor.next()? {
            '}' => return Some(value),
            c => value = value * 16 + c.to_digit(16)?,
        }
        if value > char::MAX.into() {
            return None;
        }
    }
}

fn refused(c: char, found: &str) -> Refused {
    Refused::new(match c {
        '1'..='9' => format!("Go's RE2 has no backreferences: \"\\{found}\""),
        'x' => format!("\"\\{found}\" is no code point: \\x41 and \\x{{10ffff}} are"),
        'Z' => "Go's RE2 has no \"\\Z\", the end of the text is \"\\z\"".to_owned(),
        'C' => "\"\\C\" would match a single byte and is refused".to_owned(),
        _ => format!("unknown escape \"\\{found}\""),
    })
}
