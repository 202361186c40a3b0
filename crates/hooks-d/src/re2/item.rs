//! What stands inside of brackets, and how it is written for the target.

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
