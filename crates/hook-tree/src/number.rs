//! Numbers as text.

use crate::shown::digit;

/// Parses decimal digits without sign or prefix; `None` when empty, too great or anything else.
#[inline(never)]
pub fn number(text: &[u8]) -> Option<u64> {
    let mut value = text.first().map(|_| 0u64)?;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(digit.into())?;
    }
    Some(value)
}

/// Appends `value` in decimal.
#[inline(never)]
pub fn decimal<S: FnMut(&[u8]) + ?Sized>(mut value: u64, sink: &mut S) {
    let mut digits = [0; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = digit((value % 10) as u8);
        used += 1;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    sink(digits.get(digits.len() - used..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 9, 10, 4711, u64::MAX] {
            let mut text = Vec::new();
            decimal(value, &mut |digits: &[u8]| text.extend_from_slice(digits));
            assert_eq!(text, value.to_string().into_bytes());
            assert_eq!(number(&text), Some(value));
        }
    }

    #[test]
    fn only_digits_are_numbers() {
        for text in [
            "",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1.",
            "a",
            "/",
            ":",
            "18446744073709551616",
        ] {
            assert_eq!(number(text.as_bytes()), None, "{text:?}");
        }
    }
}
