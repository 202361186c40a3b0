//! How often something is repeated: `*`, `{2,5}`.

use super::Refused;
use super::cursor::Cursor;

/// The largest count, and the largest product of nested ones.
const LARGEST: u32 = 1000;

/// A repetition operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// `*`, `+` or `?`.
    Sign(char),
    /// `{min,max}`; no `max` is without limit.
    Count(u32, Option<u32>),
}

impl Repeat {
    /// Parses an operator without the `?` that may follow. `None` when there is none: a brace that begins no count is a
    /// character.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Option<Repeat>, Refused> {
        match cursor.peek() {
            Some(sign @ ('*' | '+' | '?')) => {
                cursor.next();
                Ok(Some(Repeat::Sign(sign)))
            }
            Some('{') => Repeat::count(cursor),
            _ => Ok(None),
        }
    }

    fn count(cursor: &mut Cursor<'_>) -> Result<Option<Repeat>, Refused> {
        let start = *cursor;
        let mut ahead = *cursor;
        ahead.next();
        let Some(min) = number(&mut ahead) else {
            return Ok(None);
        };
        let max = if !ahead.eat(",") {
            Some(min)
        } else if ahead.peek() == Some('}') {
            None
        } else {
            match number(&mut ahead) {
                Some(max) => Some(max),
                None => return Ok(None),
            }
        };
        if !ahead.eat("}") {
            return Ok(None);
        }
        *cursor = ahead;
        if min > LARGEST || max.is_some_and(|max| max > LARGEST || max < min) {
            let count = cursor.since(start);
            return Err(Refused::new(format!(
                "the count {count} is larger than {LARGEST} or runs backwards"
            )));
        }
        Ok(Some(Repeat::Count(min, max)))
    }

    /// The product of counts of something repeated in this way, which itself has the product `inner`. Zero where it is
    /// left out altogether.
    pub fn product(self, inner: u32) -> Result<u32, Refused> {
        let Repeat::Count(min, max) = self else {
            return Ok(inner);
        };
        // "Any number" is no count.
        let product = inner.saturating_mul(max.unwrap_or(min.max(1)));
        if product > LARGEST {
            return Err(Refused::new(format!(
                "nested counts multiply to more than {LARGEST}"
            )));
        }
        Ok(product)
    }

    /// In the target's dialect.
    pub fn text(self) -> String {
        match self {
            Repeat::Sign(sign) => sign.to_string(),
            Repeat::Count(min, Some(max)) => format!("{{{min},{max}}}"),
            Repeat::Count(min, None) => format!("{{{min},}}"),
        }
    }
}

/// Decimal digits without a leading zero. What no integer holds is larger than anything allowed.
fn number(cursor: &mut Cursor<'_>) -> Option<u32> {
    let start = *cursor;
    while cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
        cursor.next();
    }
    let digits = cursor.since(start);
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    (!digits.is_empty() && !leading_zero).then(|| digits.parse().unwrap_or(u32::MAX))
}
