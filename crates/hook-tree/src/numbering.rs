//! The numbers of a phase's hooks: 1, 2, 3, … without a gap.

use crate::TreeError;

/// The number that a directory's name stands for: decimal, at least 1, without sign or leading zero.
///
/// # Errors
/// [`TreeError::UnknownName`] for every other name.
pub fn hook_number(name: &[u8]) -> Result<u32, TreeError> {
    if name.starts_with(b"0") {
        return Err(TreeError::UnknownName);
    }
    crate::number(name)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or(TreeError::UnknownName)
}

/// Collects the numbers of a phase in any order and tells how many hooks there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbering {
    count: u32,
    highest: u32,
}

impl Numbering {
    /// Takes one number. A directory never holds a name twice, so numbers are taken to be different.
    #[inline(never)]
    pub fn add(&mut self, number: u32) {
        self.count = self.count.saturating_add(1);
        self.highest = self.highest.max(number);
    }

    /// The number of hooks.
    ///
    /// # Errors
    /// [`TreeError::Gap`] when the numbers are not exactly 1 to n.
    pub fn finish(self) -> Result<u32, TreeError> {
        if self.count == self.highest {
            Ok(self.count)
        } else {
            Err(TreeError::Gap)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_canonical_numbers() {
        assert_eq!(hook_number(b"1"), Ok(1));
        assert_eq!(hook_number(b"4294967295"), Ok(u32::MAX));
        let bad: [&[u8]; 8] = [
            b"",
            b"0",
            b"01",
            b"-1",
            b"+1",
            b"1 ",
            b"4294967296",
            b"1.bak",
        ];
        for name in bad {
            assert_eq!(hook_number(name), Err(TreeError::UnknownName), "{name:?}");
        }
    }

    #[test]
    fn gaps_are_found_in_any_order() {
        let count = |numbers: &[u32]| {
            let mut numbering = Numbering::default();
            numbers.iter().for_each(|number| numbering.add(*number));
            numbering.finish()
        };
        assert_eq!(count(&[]), Ok(0));
        assert_eq!(count(&[3, 1, 2]), Ok(3));
        assert_eq!(count(&[2]), Err(TreeError::Gap));
        assert_eq!(count(&[1, 3]), Err(TreeError::Gap));
    }
}
