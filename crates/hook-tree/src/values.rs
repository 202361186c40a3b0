//! The settings of init as checked text.

use crate::{Groups, Rlimit, Strings, TreeError};

/// Parses digits of the given base (8, 10 or 16) without sign or prefix; `None` when empty, too great or anything else.
pub fn number(text: &[u8], base: u32) -> Option<u64> {
    let mut value = text.first().map(|_| 0u64)?;
    for byte in text {
        let digit = char::from(*byte).to_digit(base)?;
        value = value.checked_mul(base.into())?.checked_add(digit.into())?;
    }
    Some(value)
}

pub(crate) fn small(text: &[u8], base: u32) -> Option<u32> {
    number(text, base).and_then(|value| u32::try_from(value).ok())
}

fn rlimit(text: &[u8]) -> Option<Rlimit> {
    let mut parts = text.split(|byte| *byte == b':');
    let mut part = || parts.next().and_then(|part| number(part, 10));
    let (resource, soft, hard) = (part()?, part()?, part()?);
    let resource = u32::try_from(resource).ok()?;
    (resource < u64::BITS && parts.next().is_none()).then_some(Rlimit {
        resource,
        soft,
        hard,
    })
}

/// A key of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "each is the Setting of the same name")]
pub enum Key {
    Cwd,
    Uid,
    Gid,
    Groups,
    Umask,
    NoNewPrivs,
    Bounding,
    Effective,
    Permitted,
    Inheritable,
    Ambient,
    Rlimit,
    SeccompFlags,
    Apparmor,
    Selinux,
    Terminal,
    Session,
    Preserve,
    Personality,
}

const KEYS: usize = Key::Personality as usize + 1;

/// The keys in the order of [`Key`], each after a letter for the kind of its value. One string, because the launcher
/// has no room for a table.
const NAMES: &[u8] = b"/cwd\nIuid\nIgid\nGgroups\nOumask\n1no_new_privs\nXbounding\nXeffective\nXpermitted\n\
Xinheritable\nXambient\nRrlimit\nDseccomp_flags\nTapparmor\nTselinux\n1terminal\n1session\nDpreserve\nDpersonality";

/// The base of the numbers of a kind.
fn base(kind: u8) -> u32 {
    match kind {
        b'X' => 16,
        b'O' => 8,
        _ => 10,
    }
}

/// Whether a value is right for its kind.
fn is_valid(kind: u8, value: &[u8]) -> bool {
    match kind {
        b'/' => value.starts_with(b"/"),
        b'T' => !value.is_empty(),
        b'1' => value == b"1",
        b'R' => rlimit(value).is_some(),
        b'G' => {
            value.is_empty()
                || value
                    .split(|byte| *byte == b',')
                    .all(|id| small(id, 10).is_some())
        }
        kind => {
            let most = match kind {
                b'X' => u64::MAX,
                b'O' => 0o777,
                // The greatest id is none: for setresuid(2) it means "leave it".
                b'I' => u64::from(u32::MAX) - 1,
                _ => u64::from(u32::MAX),
            };
            number(value, base(kind)).is_some_and(|number| number <= most)
        }
    }
}

/// The checked settings of a file as text: all that the launcher needs of [`Settings`], in less code.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    texts: [Option<&'a [u8]>; KEYS],
    strings: Strings<'a>,
}

impl<'a> Values<'a> {
    /// Parses a whole file.
    ///
    /// # Errors
    /// [`TreeError::Unterminated`], [`TreeError::UnknownSetting`], [`TreeError::BadSetting`] or
    /// [`TreeError::SettingTwice`].
    pub fn parse(buffer: &'a [u8]) -> Result<Self, TreeError> {
        let strings = Strings::parse(buffer)?;
        let mut values = Values {
            texts: [None; KEYS],
            strings,
        };
        let mut limited = 0u64;
        let mut rest = strings;
        while let Some(string) = rest.next_bytes() {
            let (slot, kind, value) = values.slot(string).ok_or(TreeError::UnknownSetting)?;
            if !is_valid(kind, value) {
                return Err(TreeError::BadSetting);
            }
            let twice = match rlimit(value) {
                // Each resource once: with two limits for one, the order would decide which holds.
                Some(limit) if kind == b'R' => {
                    let bit = 1u64.wrapping_shl(limit.resource);
                    let twice = limited & bit != 0;
                    limited |= bit;
                    twice
                }
                _ => slot.replace(value).is_some(),
            };
            if twice {
                return Err(TreeError::SettingTwice);
            }
        }
        Ok(values)
    }

    /// The place for a `key=value`, the kind of the value, and the value.
    #[allow(
        clippy::type_complexity,
        reason = "a type for one caller would say less"
    )]
    fn slot(&mut self, string: &'a [u8]) -> Option<(&mut Option<&'a [u8]>, u8, &'a [u8])> {
        let mut keys = NAMES.split(|byte| *byte == b'\n');
        self.texts.iter_mut().find_map(|slot| {
            let (kind, name) = keys.next()?.split_first()?;
            let value = string.strip_prefix(name)?.strip_prefix(b"=")?;
            Some((slot, *kind, value))
        })
    }

    /// The value of a setting, if it is given.
    pub fn text(&self, key: Key) -> Option<&'a [u8]> {
        self.texts.get(key as usize).copied().flatten()
    }

    /// Whether a setting is given.
    pub fn has(&self, key: Key) -> bool {
        self.text(key).is_some()
    }

    /// The supplementary groups; none when they are not given.
    pub fn groups(&self) -> Groups<'a> {
        Groups::from_checked(self.text(Key::Groups).unwrap_or_default())
    }

    /// The value of a numeric setting, if it is given.
    pub fn number(&self, key: Key) -> Option<u64> {
        let base = match key {
            Key::Umask => 8,
            Key::Bounding | Key::Effective | Key::Permitted | Key::Inheritable | Key::Ambient => 16,
            _ => 10,
        };
        number(self.text(key)?, base)
    }

    /// The resource limits in the order of the file.
    pub fn rlimits(&self) -> impl Iterator<Item = Rlimit> + use<'a> {
        let mut strings = self.strings;
        core::iter::from_fn(move || {
            strings
                .next_bytes()
                .map(|string| string.strip_prefix(b"rlimit="))
        })
        .filter_map(|value| value.and_then(rlimit))
    }
}
