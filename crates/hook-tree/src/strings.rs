//! Rows of NUL-ended strings, as in `/proc/PID/cmdline`.

use crate::{Sink, TreeError};
use core::ffi::CStr;

/// The place of the first such byte. The launcher has one copy of this loop; the one of `core` is faster and larger.
#[inline(never)]
pub fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    bytes.iter().position(|other| *other == byte)
}

/// Iterator over the NUL-ended strings of a buffer. The buffer is known to be empty or to end with NUL.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strings<'a> {
    rest: &'a [u8],
}

impl<'a> Strings<'a> {
    /// Takes a buffer of any number of strings.
    ///
    /// # Errors
    /// [`TreeError::Unterminated`] when the last string is not ended by NUL.
    pub fn parse(buffer: &'a [u8]) -> Result<Self, TreeError> {
        Strings::check(buffer)?;
        Ok(Strings::of(buffer))
    }

    /// Checks a buffer of any number of strings.
    ///
    /// # Errors
    /// [`TreeError::Unterminated`] when the last string is not ended by NUL.
    #[inline(never)]
    pub fn check(buffer: &[u8]) -> Result<(), TreeError> {
        match buffer.last() {
            None | Some(0) => Ok(()),
            Some(_) => Err(TreeError::Unterminated),
        }
    }

    /// The strings of a buffer that has been checked. What follows the last NUL is left out.
    pub fn of(buffer: &'a [u8]) -> Self {
        Strings { rest: buffer }
    }

    /// Takes a buffer that holds exactly one string, for example the file `cwd`.
    ///
    /// # Errors
    /// [`TreeError::Unterminated`] without a NUL at the end, [`TreeError::ExtraString`] with a NUL before it.
    pub fn single(buffer: &'a [u8]) -> Result<&'a CStr, TreeError> {
        let mut strings = Strings::parse(buffer)?;
        let only = strings.next().ok_or(TreeError::Unterminated)?;
        if strings.next().is_some() {
            Err(TreeError::ExtraString)
        } else {
            Ok(only)
        }
    }
}

impl<'a> Strings<'a> {
    /// Checks a buffer that holds exactly one absolute path, which is what the file `cwd` must be.
    ///
    /// # Errors
    /// What [`Strings::single`] returns, or [`TreeError::RelativePath`].
    pub fn check_path(buffer: &[u8]) -> Result<(), TreeError> {
        match buffer {
            [path @ .., 0] if find(path, 0).is_some() => Err(TreeError::ExtraString),
            [b'/', .., 0] => Ok(()),
            [.., 0] => Err(TreeError::RelativePath),
            _ => Err(TreeError::Unterminated),
        }
    }

    /// The next string without its NUL, which is the byte after it in the buffer.
    pub fn next_bytes(&mut self) -> Option<&'a [u8]> {
        let end = find(self.rest, 0)?;
        let (string, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..)?;
        Some(string)
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a CStr;

    fn next(&mut self) -> Option<&'a CStr> {
        let string = CStr::from_bytes_until_nul(self.rest).ok()?;
        self.rest = self
            .rest
            .get(string.to_bytes_with_nul().len()..)
            .unwrap_or_default();
        Some(string)
    }
}

/// Writes one string and the NUL that ends it.
///
/// # Errors
/// [`TreeError::InnerNul`] when the string holds a NUL; nothing is written then.
pub fn encode_string(string: &[u8], sink: Sink) -> Result<(), TreeError> {
    if string.contains(&0) {
        return Err(TreeError::InnerNul);
    }
    sink(string);
    sink(b"\0");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_split_at_nul() {
        assert_eq!(Strings::parse(b"").unwrap().count(), 0);
        assert!(Strings::parse(b"\0a\0\0").unwrap().eq([c"", c"a", c""]));
        assert_eq!(
            Strings::parse(b"a\0b").unwrap_err(),
            TreeError::Unterminated
        );
    }

    #[test]
    fn single_takes_one_string() {
        assert_eq!(Strings::single(b"/x\0"), Ok(c"/x"));
        assert_eq!(Strings::single(b""), Err(TreeError::Unterminated));
        assert_eq!(Strings::single(b"/x"), Err(TreeError::Unterminated));
        assert_eq!(Strings::single(b"/x\0\0"), Err(TreeError::ExtraString));
    }
}
