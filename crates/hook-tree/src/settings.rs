//! The file `init/settings`: what init applies before it executes the user's program.

use crate::values::{Key, Values, small};
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

    pub(crate) fn from_checked(text: &'a [u8]) -> Self {
        Groups(Repr::Text(text))
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

impl Setting<'_> {
    /// Writes the setting as `key=value` and NUL.
    ///
    /// # Errors
    /// [`TreeError::InnerNul`], or [`TreeError::BadSetting`] for a value that [`Settings::parse`] would refuse; what was
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
    values: Values<'a>,
}

impl<'a> Settings<'a> {
    /// Parses a whole file.
    ///
    /// # Errors
    /// What [`Values::parse`] returns.
    pub fn parse(buffer: &'a [u8]) -> Result<Self, TreeError> {
        let values = Values::parse(buffer)?;
        let small = |key| {
            values
                .number(key)
                .and_then(|value| u32::try_from(value).ok())
        };
        Ok(Settings {
            cwd: Strings::parse(buffer)?.find_map(|string| {
                let path = string.to_bytes_with_nul().strip_prefix(b"cwd=")?;
                CStr::from_bytes_until_nul(path).ok()
            }),
            uid: small(Key::Uid),
            gid: small(Key::Gid),
            groups: values
                .text(Key::Groups)
                .map(|text| Groups(Repr::Text(text))),
            umask: small(Key::Umask),
            no_new_privs: values.has(Key::NoNewPrivs),
            bounding: values.number(Key::Bounding),
            effective: values.number(Key::Effective),
            permitted: values.number(Key::Permitted),
            inheritable: values.number(Key::Inheritable),
            ambient: values.number(Key::Ambient),
            seccomp_flags: small(Key::SeccompFlags),
            apparmor: values.text(Key::Apparmor),
            selinux: values.text(Key::Selinux),
            terminal: values.has(Key::Terminal),
            session: values.has(Key::Session),
            preserve: small(Key::Preserve),
            personality: small(Key::Personality),
            values,
        })
    }

    /// The resource limits in the order of the file.
    pub fn rlimits(&self) -> impl Iterator<Item = Rlimit> + use<'a> {
        self.values.rlimits()
    }
}
