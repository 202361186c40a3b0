//! Texts by number, in one string: a third of the size of a table of strings.

/// The bit that makes a number a key, which no byte of a text has.
pub(crate) const KEY: u8 = 0x80;

/// The text behind the key of a number (below 128), up to the next key. Empty when there is none.
#[inline(never)]
pub fn lookup(table: &'static [u8], number: u8) -> &'static [u8] {
    let is_key = |byte: &u8| byte & KEY != 0;
    let mut place = table.iter().position(|byte| *byte == number | KEY);
    if number & KEY != 0 {
        place = None;
    }
    let rest = place
        .and_then(|place| table.get(place + 1..))
        .unwrap_or_default();
    let end = rest.iter().position(is_key).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_at_the_next_key() {
        let table = b"\x81one\x83three";
        for (number, text) in [(1, "one"), (3, "three"), (2, ""), (0, ""), (0x81, "")] {
            assert_eq!(lookup(table, number), text.as_bytes());
        }
    }
}
