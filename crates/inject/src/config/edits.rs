//! Replacements in a text, all of them by the offsets that the text has before the first one.

use std::ops::Range;

/// Replacements that do not overlap, in any order.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Puts `new` where `old` is, which may be empty; of several at one place, the first one added stands first.
    pub fn replace(&mut self, old: Range<usize>, new: impl Into<String>) {
        self.0.push((old, new.into()));
    }

    /// The text with all replacements made, and where the one that was added last begins in it.
    pub fn apply(self, text: &str) -> (String, usize) {
        let last = self.0.len().saturating_sub(1);
        let mut order: Vec<_> = self.0.iter().enumerate().collect();
        // Stable, so that insertions at one place keep their order.
        order.sort_by_key(|(_, (old, _))| old.start);
        let growth: usize = self.0.iter().map(|(_, new)| new.len()).sum();
        let mut result = String::with_capacity(text.len() + growth);
        let (mut done, mut start) = (0, 0);
        for (i, (old, new)) in order {
            result.push_str(&text[done..old.start]);
            if i == last {
                start = result.len();
            }
            result.push_str(new);
            done = old.end;
        }
        result.push_str(&text[done..]);
        (result, start)
    }
}

#[cfg(test)]
mod tests {
    use super::Edits;

    #[test]
    fn offsets_are_those_of_the_original() {
        let mut edits = Edits::default();
        edits.replace(6..6, "!");
        edits.replace(0..2, "ABC");
        edits.replace(6..6, "?");
        edits.replace(3..4, "-");
        assert_eq!(edits.apply("abcdef"), ("ABCc-ef!?".to_owned(), 4));
        assert_eq!(Edits::default().apply("same"), ("same".to_owned(), 0));
    }
}
