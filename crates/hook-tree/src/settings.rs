//! The file `init/settings`: what init applies before it executes the user's program.

use crate::{Sink, Strings, TreeError, decimal, encode_string, radix};
use core::ffi::CStr;

/// One `key=value` of the settings.
#[derive(Clone, Copy, Debug)]
pub enum Setting<'a> {
    /// `cwd=/abs`: working directory.
    Cwd(&'a [u8]),
    /// `uid=N`, below 4294967295.
    Uid(u32),
    /// `gid=N`, below 4294967295.
    Gid(u32),
    /// `groups=N,N,…`: the supplementary groups, none when empty.
    Groups(Groups<'a>),
    /// `umask=OCTAL`, at most 777.
    Umask(u32),
    /// `no_new_privs=1`.
    NoNewPrivs,
    /// `bounding=HEX`: mask of the capabilities that stay in the bounding set.
    Bounding(u64),
    /// `effective=HEX`.
    Effective(u64),
    /// `permitted=HEX`.
    Permitted(u64),
    /// `inheritable=HEX`.
    Inheritable(u64),
    /// `ambient=HEX`.
    Ambient(u64),
    /// `rlimit=<number>:<soft>:<hard>`, the only key that may repeat.
    Rlimit(Rlimit),
    /// `seccomp_flags=N`: flags for `seccomp(SECCOMP_SET_MODE_FILTER)`.
    SeccompFlags(u32),
    /// `apparmor=NAME`: profile to change to on execve.
    Apparmor(&'a [u8]),
    /// `selinux=LABEL`: label of the executed process.
    Selinux(&'a [u8]),
    /// `terminal=1`: the console becomes stdio and the controlling terminal.
    Terminal,
    /// `session=1`: a session of its own.
    Session,
    /// `preserve=N`: descriptors 3 to 3+N-1 stay open.
    Preserve(u32),
    /// `personality=N`.
    Personality(u32),
}

/// A resource limit by its number in the kernel (`RLIMIT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlimit {
    /// Number of the resource, below 64 (the kernel knows 16).
    pub resource: u32,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// A list of group ids, from a slice or from the checked text of a setting.
#[derive(Clone, Copy, Debug)]
pub struct Groups<'a>(Repr<'a>);

#[derive(Clone, Copy, Debug)]
enum Repr<'a> {
    List(&'a [u32]),
    Text(&'a [u8]),
}

impl<'a> Groups<'a> {
    /// The groups of a slice, to be encoded.
    pub fn from_list(groups: &'a [u32]) -> Self {
        Groups(Repr::List(groups))
    }

    fn from_text(text: &'a [u8]) -> Option<Self> {
        let valid = text.is_empty()
            || text
                .split(|byte| *byte == b',')
                .all(|id| small(id, 10).is_some());
        valid.then_some(Groups(Repr::Text(text)))
    }

    /// The group ids in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + use<'a> {
        let (list, text) = match self.0 {
            Repr::List(list) => (list, &[][..]),
            Repr::Text(text) => (&[][..], text),
        };
        let parsed = text
            .split(|byte| *byte == b',')
            .filter_map(|id| small(id, 10));
        list.iter().copied().chain(parsed)
    }
}

/// Parses digits of the given base (8, 10 or 16) without sign or prefix; `None` when empty, too great or anything else.
pub fn number(text: &[u8], base: u32) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = char::from(*byte).to_digit(base)?;
        value
            .checked_mul(u64::from(base))?
            .checked_add(u64::from(digit))
    })
}

fn small(text: &[u8], base: u32) -> Option<u32> {
    number(text, base).and_then(|value| u32::try_from(value).ok())
}

/// A user or group id. The greatest number is none: for setresuid(2) it means "leave it".
fn id(text: &[u8]) -> Option<u32> {
    small(text, 10).filter(|id| *id != u32::MAX)
}

fn rlimit(text: &[u8]) -> Option<Rlimit> {
    let mut parts = text.split(|byte| *byte == b':');
    let resource = small(parts.next()?, 10).filter(|resource| *resource < u64::BITS)?;
    let soft = number(parts.next()?, 10)?;
    let hard = number(parts.next()?, 10)?;
    parts.next().is_none().then_some(Rlimit {
        resource,
        soft,
        hard,
    })
}

fn filled(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text)
}

fn one(text: &[u8]) -> Option<()> {
    (text == b"1").then_some(())
}

impl<'a> Setting<'a> {
    /// Parses one `key=value`.
    ///
    /// # Errors
    /// [`TreeError::UnknownSetting`] or [`TreeError::BadSetting`].
    pub fn parse(setting: &'a CStr) -> Result<Self, TreeError> {
        let bytes = setting.to_bytes();
        let equals = bytes
            .iter()
            .position(|byte| *byte == b'=')
            .ok_or(TreeError::UnknownSetting)?;
        let key = bytes.get(..equals).unwrap_or_default();
        let value = bytes.get(equals + 1..).unwrap_or_default();
        let parsed = match key {
            b"cwd" => filled(value)
                .filter(|path| path.starts_with(b"/"))
                .map(Setting::Cwd),
            b"uid" => id(value).map(Setting::Uid),
            b"gid" => id(value).map(Setting::Gid),
            b"groups" => Groups::from_text(value).map(Setting::Groups),
            b"umask" => small(value, 8)
                .filter(|mask| *mask <= 0o777)
                .map(Setting::Umask),
            b"no_new_privs" => one(value).map(|()| Setting::NoNewPrivs),
            b"bounding" => number(value, 16).map(Setting::Bounding),
            b"effective" => number(value, 16).map(Setting::Effective),
            b"permitted" => number(value, 16).map(Setting::Permitted),
            b"inheritable" => number(value, 16).map(Setting::Inheritable),
            b"ambient" => number(value, 16).map(Setting::Ambient),
            b"rlimit" => rlimit(value).map(Setting::Rlimit),
            b"seccomp_flags" => small(value, 10).map(Setting::SeccompFlags),
            b"apparmor" => filled(value).map(Setting::Apparmor),
            b"selinux" => filled(value).map(Setting::Selinux),
            b"terminal" => one(value).map(|()| Setting::Terminal),
            b"session" => one(value).map(|()| Setting::Session),
            b"preserve" => small(value, 10).map(Setting::Preserve),
            b"personality" => small(value, 10).map(Setting::Personality),
            _ => return Err(TreeError::UnknownSetting),
        };
        parsed.ok_or(TreeError::BadSetting)
    }

    /// Writes the setting as `key=value` and NUL.
    ///
    /// # Errors
    /// [`TreeError::InnerNul`], or [`TreeError::BadSetting`] for a value that [`Setting::parse`] would refuse; what was
    /// written until then is no valid file.
    pub fn encode(&self, sink: Sink) -> Result<(), TreeError> {
        let numeric = |key: &str, value: u64, base: u64, sink: Sink| {
            sink(key.as_bytes());
            radix(value, base, sink);
            sink(b"\0");
        };
        match *self {
            Setting::Cwd(path) if path.starts_with(b"/") => return text(b"cwd=", path, sink),
            Setting::Apparmor(name) if !name.is_empty() => return text(b"apparmor=", name, sink),
            Setting::Selinux(label) if !label.is_empty() => return text(b"selinux=", label, sink),
            Setting::Cwd(_) | Setting::Apparmor(_) | Setting::Selinux(_) => {
                return Err(TreeError::BadSetting);
            }
            Setting::Uid(u32::MAX) | Setting::Gid(u32::MAX) => return Err(TreeError::BadSetting),
            Setting::Umask(mask) if mask > 0o777 => return Err(TreeError::BadSetting),
            Setting::Rlimit(limit) if limit.resource >= u64::BITS => {
                return Err(TreeError::BadSetting);
            }
            Setting::Umask(mask) => numeric("umask=", mask.into(), 8, sink),
            Setting::Uid(id) => numeric("uid=", id.into(), 10, sink),
            Setting::Gid(id) => numeric("gid=", id.into(), 10, sink),
            Setting::Bounding(mask) => numeric("bounding=", mask, 16, sink),
            Setting::Effective(mask) => numeric("effective=", mask, 16, sink),
            Setting::Permitted(mask) => numeric("permitted=", mask, 16, sink),
            Setting::Inheritable(mask) => numeric("inheritable=", mask, 16, sink),
            Setting::Ambient(mask) => numeric("ambient=", mask, 16, sink),
            Setting::SeccompFlags(flags) => numeric("seccomp_flags=", flags.into(), 10, sink),
            Setting::Preserve(count) => numeric("preserve=", count.into(), 10, sink),
            Setting::Personality(value) => numeric("personality=", value.into(), 10, sink),
            Setting::NoNewPrivs => sink(b"no_new_privs=1\0"),
            Setting::Terminal => sink(b"terminal=1\0"),
            Setting::Session => sink(b"session=1\0"),
            Setting::Rlimit(Rlimit {
                resource,
                soft,
                hard,
            }) => {
                sink(b"rlimit=");
                decimal(resource.into(), sink);
                sink(b":");
                decimal(soft, sink);
                sink(b":");
                decimal(hard, sink);
                sink(b"\0");
            }
            Setting::Groups(groups) => {
                sink(b"groups=");
                for (index, id) in groups.iter().enumerate() {
                    if index > 0 {
                        sink(b",");
                    }
                    decimal(id.into(), sink);
                }
                sink(b"\0");
            }
        }
        Ok(())
    }
}

fn text(key: &[u8], value: &[u8], sink: Sink) -> Result<(), TreeError> {
    if value.contains(&0) {
        return Err(TreeError::InnerNul);
    }
    sink(key);
    encode_string(value, sink)
}

/// All settings of a file, each at most once.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "each field is the setting of the same name")]
pub struct Settings<'a> {
    pub cwd: Option<&'a CStr>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub groups: Option<Groups<'a>>,
    pub umask: Option<u32>,
    pub no_new_privs: bool,
    pub bounding: Option<u64>,
    pub effective: Option<u64>,
    pub permitted: Option<u64>,
    pub inheritable: Option<u64>,
    pub ambient: Option<u64>,
    pub seccomp_flags: Option<u32>,
    pub apparmor: Option<&'a [u8]>,
    pub selinux: Option<&'a [u8]>,
    pub terminal: bool,
    pub session: bool,
    pub preserve: Option<u32>,
    pub personality: Option<u32>,
    strings: Strings<'a>,
}

impl<'a> Settings<'a> {
    /// Parses a whole file.
    ///
    /// # Errors
    /// [`TreeError::Unterminated`], [`TreeError::SettingTwice`], or what [`Setting::parse`] returns.
    pub fn parse(buffer: &'a [u8]) -> Result<Self, TreeError> {
        let strings = Strings::parse(buffer)?;
        let mut all = Settings {
            cwd: None,
            uid: None,
            gid: None,
            groups: None,
            umask: None,
            no_new_privs: false,
            bounding: None,
            effective: None,
            permitted: None,
            inheritable: None,
            ambient: None,
            seccomp_flags: None,
            apparmor: None,
            selinux: None,
            terminal: false,
            session: false,
            preserve: None,
            personality: None,
            strings,
        };
        let mut limited = 0u64;
        for string in strings {
            let twice = match Setting::parse(string)? {
                Setting::Cwd(_) => {
                    let path = string
                        .to_bytes_with_nul()
                        .get(b"cwd=".len()..)
                        .unwrap_or_default();
                    all.cwd
                        .replace(
                            CStr::from_bytes_until_nul(path).map_err(|_| TreeError::BadSetting)?,
                        )
                        .is_some()
                }
                Setting::Uid(id) => all.uid.replace(id).is_some(),
                Setting::Gid(id) => all.gid.replace(id).is_some(),
                Setting::Groups(groups) => all.groups.replace(groups).is_some(),
                Setting::Umask(mask) => all.umask.replace(mask).is_some(),
                Setting::NoNewPrivs => core::mem::replace(&mut all.no_new_privs, true),
                Setting::Bounding(mask) => all.bounding.replace(mask).is_some(),
                Setting::Effective(mask) => all.effective.replace(mask).is_some(),
                Setting::Permitted(mask) => all.permitted.replace(mask).is_some(),
                Setting::Inheritable(mask) => all.inheritable.replace(mask).is_some(),
                Setting::Ambient(mask) => all.ambient.replace(mask).is_some(),
                // Each resource once: with two limits for one, the order would decide which holds.
                Setting::Rlimit(limit) => {
                    let bit = 1u64 << limit.resource;
                    let twice = limited & bit != 0;
                    limited |= bit;
                    twice
                }
                Setting::SeccompFlags(flags) => all.seccomp_flags.replace(flags).is_some(),
                Setting::Apparmor(name) => all.apparmor.replace(name).is_some(),
                Setting::Selinux(label) => all.selinux.replace(label).is_some(),
                Setting::Terminal => core::mem::replace(&mut all.terminal, true),
                Setting::Session => core::mem::replace(&mut all.session, true),
                Setting::Preserve(count) => all.preserve.replace(count).is_some(),
                Setting::Personality(value) => all.personality.replace(value).is_some(),
            };
            if twice {
                return Err(TreeError::SettingTwice);
            }
        }
        Ok(all)
    }

    /// The resource limits in the order of the file.
    pub fn rlimits(&self) -> impl Iterator<Item = Rlimit> + use<'a> {
        self.strings
            .filter_map(|string| string.to_bytes().strip_prefix(b"rlimit=").and_then(rlimit))
    }

    /// Whether any of the four sets that `capset` or ambient need is given.
    pub fn has_capabilities(&self) -> bool {
        [
            self.effective,
            self.permitted,
            self.inheritable,
            self.ambient,
        ]
        .iter()
        .any(Option::is_some)
    }
}
