//! The file `cmdline`: the executable's path, then argv.

use crate::{Sink, Strings, TreeError, encode_string};
use core::ffi::CStr;

/// A parsed `cmdline`.
#[derive(Clone, Copy, Debug)]
pub struct Cmdline<'a> {
    buffer: &'a [u8],
    argv: Strings<'a>,
}

/// Checks the `cmdline` of a hook.
///
/// # Errors
/// [`TreeError::RelativePath`], or what [`check_program`] returns.
pub fn check_hook(buffer: &[u8]) -> Result<(), TreeError> {
    check_program(buffer)?;
    if buffer.starts_with(b"/") {
        Ok(())
    } else {
        Err(TreeError::RelativePath)
    }
}

/// Checks the `cmdline` of init.
///
/// # Errors
/// [`TreeError::Unterminated`], [`TreeError::NoPath`] or [`TreeError::EmptyArgv`].
pub fn check_program(buffer: &[u8]) -> Result<(), TreeError> {
    Strings::check(buffer)?;
    let mut argv = Strings::of(buffer);
    match argv.next_bytes() {
        None | Some(b"") => Err(TreeError::NoPath),
        Some(_) if argv.next_bytes().is_none() => Err(TreeError::EmptyArgv),
        Some(_) => Ok(()),
    }
}

impl<'a> Cmdline<'a> {
    /// Parses the `cmdline` of a hook, whose path must be absolute (runtime-spec, POSIX-platform Hooks).
    ///
    /// # Errors
    /// What [`check_hook`] returns.
    pub fn parse_hook(buffer: &'a [u8]) -> Result<Self, TreeError> {
        check_hook(buffer)?;
        Cmdline::parse_program(buffer)
    }

    /// Parses the `cmdline` of init, whose path may be relative or a name to be looked up in `PATH`.
    ///
    /// # Errors
    /// What [`check_program`] returns.
    pub fn parse_program(buffer: &'a [u8]) -> Result<Self, TreeError> {
        check_program(buffer)?;
        let mut argv = Strings::parse(buffer)?;
        argv.next_bytes();
        Ok(Cmdline { buffer, argv })
    }

    /// The executable's path.
    pub fn path(&self) -> &'a CStr {
        CStr::from_bytes_until_nul(self.buffer).unwrap_or_default()
    }

    /// The arguments from argv\[0\] on; never empty.
    pub fn argv(&self) -> Strings<'a> {
        self.argv
    }
}

/// Writes a `cmdline`.
///
/// # Errors
/// [`TreeError::NoPath`], [`TreeError::EmptyArgv`] or [`TreeError::InnerNul`]; what was written until then is no valid
/// file.
pub fn encode_cmdline<A: AsRef<[u8]>>(
    path: &[u8],
    argv: impl IntoIterator<Item = A>,
    sink: Sink,
) -> Result<(), TreeError> {
    if path.is_empty() {
        return Err(TreeError::NoPath);
    }
    encode_string(path, sink)?;
    let mut empty = true;
    for argument in argv {
        encode_string(argument.as_ref(), sink)?;
        empty = false;
    }
    if empty {
        Err(TreeError::EmptyArgv)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argv0_is_not_the_path() {
        let cmdline = Cmdline::parse_hook(b"/bin/busybox\0sh\0-c\0\0").unwrap();
        assert_eq!(cmdline.path(), c"/bin/busybox");
        assert!(cmdline.argv().eq([c"sh", c"-c", c""]));
    }

    #[test]
    fn defects_are_told_apart() {
        let defects: [(&[u8], TreeError); 7] = [
            (b"", TreeError::NoPath),
            (b"\0", TreeError::NoPath),
            (b"\0a\0", TreeError::NoPath),
            (b"/x", TreeError::Unterminated),
            (b"/x\0a", TreeError::Unterminated),
            (b"/x\0", TreeError::EmptyArgv),
            (b"x\0x\0", TreeError::RelativePath),
        ];
        for (bytes, error) in defects {
            assert_eq!(Cmdline::parse_hook(bytes).unwrap_err(), error, "{bytes:?}");
        }
        assert_eq!(Cmdline::parse_program(b"x\0x\0").unwrap().path(), c"x");
    }
}
