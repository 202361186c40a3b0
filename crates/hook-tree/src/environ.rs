//! The file `environ`: the environment, and the timeout that it carries.

use crate::{Sink, Strings, TreeError, encode_string, names};

/// A parsed `environ`.
#[derive(Clone, Copy, Debug)]
pub struct Environ<'a> {
    entries: Strings<'a>,
    timeout: Option<u64>,
}

/// Checks the environment of a hook, and takes its timeout in seconds from it; 0 for none.
///
/// # Errors
/// [`TreeError::Unterminated`], [`TreeError::NoEquals`], [`TreeError::BadTimeout`] or [`TreeError::TimeoutTwice`].
#[inline(never)]
pub fn check_hook_environ(buffer: &[u8], timeout: &mut u64) -> Result<(), TreeError> {
    Strings::check(buffer)?;
    *timeout = 0;
    let mut entries = Strings::of(buffer);
    while let Some(entry) = entries.next_bytes() {
        let name = crate::find(entry, b'=').ok_or(TreeError::NoEquals)?;
        if entry.get(..name) == Some(names::TIMEOUT_VARIABLE.as_bytes()) {
            if *timeout != 0 {
                return Err(TreeError::TimeoutTwice);
            }
            let value = entry.get(name + 1..).and_then(crate::number);
            *timeout = value.unwrap_or_default();
            if timeout.wrapping_sub(1) >= i64::MAX as u64 {
                return Err(TreeError::BadTimeout);
            }
        }
    }
    Ok(())
}

impl<'a> Environ<'a> {
    /// Parses the `environ` of a hook and checks every entry.
    ///
    /// # Errors
    /// What [`check_hook_environ`] returns.
    pub fn parse_hook(buffer: &'a [u8]) -> Result<Self, TreeError> {
        let mut timeout = 0;
        check_hook_environ(buffer, &mut timeout)?;
        Ok(Environ {
            entries: Strings::parse(buffer)?,
            timeout: (timeout != 0).then_some(timeout),
        })
    }

    /// The entries in the order of the file.
    pub fn entries(&self) -> Strings<'a> {
        self.entries
    }

    /// The timeout in seconds, at least 1.
    pub fn timeout(&self) -> Option<u64> {
        self.timeout
    }

    /// The value of the first entry with this name, as `getenv` finds it.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let mut entries = self.entries;
        core::iter::from_fn(|| entries.next_bytes()).find_map(|entry| value_of(entry, name))
    }
}

fn value_of<'a>(entry: &'a [u8], name: &str) -> Option<&'a [u8]> {
    entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

/// Writes the `environ` of a hook: its entries, and `OCI_HOOK_TIMEOUT` when a timeout is set.
///
/// `OCI_HOOK_TIMEOUT` belongs to the format. An entry of that name is left out, so that a hook's own environment can
/// neither set a deadline nor contradict the one that is set.
///
/// # Errors
/// [`TreeError::NoEquals`], [`TreeError::InnerNul`], or [`TreeError::BadTimeout`] for a timeout outside 1..=i64::MAX;
/// what was written until then is no valid file.
pub fn encode_environ<E: AsRef<[u8]>>(
    entries: impl IntoIterator<Item = E>,
    timeout: Option<u64>,
    sink: Sink,
) -> Result<(), TreeError> {
    for entry in entries {
        let entry = entry.as_ref();
        let name = entry.split(|byte| *byte == b'=').next().unwrap_or_default();
        if name.len() == entry.len() {
            return Err(TreeError::NoEquals);
        }
        if name != names::TIMEOUT_VARIABLE.as_bytes() {
            encode_string(entry, sink)?;
        }
    }
    if let Some(timeout) = timeout {
        if !(1..=i64::MAX as u64).contains(&timeout) {
            return Err(TreeError::BadTimeout);
        }
        sink(names::TIMEOUT_VARIABLE.as_bytes());
        sink(b"=");
        crate::decimal(timeout, sink);
        sink(b"\0");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_exact() {
        let environ = Environ::parse_hook(b"A=1\0B=\0=x\0A=2\0").unwrap();
        assert!(environ.entries().eq([c"A=1", c"B=", c"=x", c"A=2"]));
        assert_eq!(environ.timeout(), None);
        assert_eq!(environ.get("A"), Some(&b"1"[..]));
        assert_eq!(environ.get("AB"), None);
        assert_eq!(Environ::parse_hook(b"").unwrap().entries().count(), 0);
    }

    #[test]
    fn timeout_is_a_positive_integer() {
        let timeout = |text: &[u8]| Environ::parse_hook(text).map(|environ| environ.timeout());
        assert_eq!(timeout(b"OCI_HOOK_TIMEOUT=5\0"), Ok(Some(5)));
        assert_eq!(
            timeout(b"OCI_HOOK_TIMEOUT=9223372036854775807\0"),
            Ok(Some(i64::MAX as u64))
        );
        assert_eq!(timeout(b"OCI_HOOK_TIMEOUTS=x\0"), Ok(None));
        let bad: [&[u8]; 8] = [
            b"OCI_HOOK_TIMEOUT=\0",
            b"OCI_HOOK_TIMEOUT=0\0",
            b"OCI_HOOK_TIMEOUT=-1\0",
            b"OCI_HOOK_TIMEOUT=+1\0",
            b"OCI_HOOK_TIMEOUT= 1\0",
            b"OCI_HOOK_TIMEOUT=1.5\0",
            b"OCI_HOOK_TIMEOUT=9223372036854775808\0",
            b"OCI_HOOK_TIMEOUT=99999999999999999999999\0",
        ];
        for text in bad {
            assert_eq!(timeout(text), Err(TreeError::BadTimeout), "{text:?}");
        }
        assert_eq!(
            timeout(b"OCI_HOOK_TIMEOUT=1\0OCI_HOOK_TIMEOUT=1\0"),
            Err(TreeError::TimeoutTwice)
        );
    }

    #[test]
    fn defects_are_told_apart() {
        assert_eq!(
            Environ::parse_hook(b"A=1").unwrap_err(),
            TreeError::Unterminated
        );
        assert_eq!(
            Environ::parse_hook(b"A\0").unwrap_err(),
            TreeError::NoEquals
        );
        assert_eq!(Environ::parse_hook(b"\0").unwrap_err(), TreeError::NoEquals);
    }
}
