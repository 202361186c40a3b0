//! The table of mount options and what they mean for the mount API.
#![forbid(unsafe_code)]

use libc::{
    MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_RELATIME, MOUNT_ATTR_STRICTATIME,
};

use super::error::Error;
use super::steps::{Attributes, Propagation, PropagationKind};

/// fsconfig(2) copies at most this many bytes of a key or a value, the final NUL not counted.
const FSCONFIG_MAX: usize = 255;

#[derive(Clone, Copy)]
enum Effect {
    Nothing,
    Set(u64),
    Clear(u64),
    Atime(u64),
    RecursiveSet(u64),
    RecursiveClear(u64),
    RecursiveAtime(u64),
    /// A flag of the superblock, switched on or off.
    Superblock(&'static str, bool),
    Bind {
        recursive: bool,
    },
    Propagate(PropagationKind, bool),
    CopyUp,
    Refuse,
}

use Effect::*;
use PropagationKind::*;

/// Every option that is not handed to the file system, in the notation of mount(8) and of the runtime-spec
/// (config.md, "Linux mount options"). An atime option that is taken back leaves the kernel's default, relatime.
const TABLE: &[(&str, Effect)] = &[
    ("async", Superblock("sync", false)),
    ("atime", Atime(MOUNT_ATTR_RELATIME)),
    ("bind", Bind { recursive: false }),
    ("copy-symlink", Refuse),
    ("defaults", Nothing),
    ("dest-nofollow", Refuse),
    ("dev", Clear(MOUNT_ATTR_NODEV)),
    ("diratime", Clear(MOUNT_ATTR_NODIRATIME)),
    ("dirsync", Superblock("dirsync", true)),
    ("exec", Clear(MOUNT_ATTR_NOEXEC)),
    ("idmap", Refuse),
    ("iversion", Superblock("iversion", true)),
    ("lazytime", Superblock("lazytime", true)),
    ("loud", Nothing),
    // Kernels since 5.15 have no mandatory locks and ignore both.
    ("mand", Nothing),
    ("noatime", Atime(MOUNT_ATTR_NOATIME)),
    ("nodev", Set(MOUNT_ATTR_NODEV)),
    ("nodiratime", Set(MOUNT_ATTR_NODIRATIME)),
    ("noexec", Set(MOUNT_ATTR_NOEXEC)),
    ("noiversion", Superblock("iversion", false)),
    ("nolazytime", Superblock("lazytime", false)),
    ("nomand", Nothing),
    ("norelatime", Atime(MOUNT_ATTR_RELATIME)),
    ("nostrictatime", Atime(MOUNT_ATTR_RELATIME)),
    ("nosuid", Set(MOUNT_ATTR_NOSUID)),
    ("nosymfollow", Set(MOUNT_ATTR_NOSYMFOLLOW)),
    ("private", Propagate(Private, false)),
    ("ratime", RecursiveAtime(MOUNT_ATTR_RELATIME)),
    ("rbind", Bind { recursive: true }),
    ("rdev", RecursiveClear(MOUNT_ATTR_NODEV)),
    ("rdiratime", RecursiveClear(MOUNT_ATTR_NODIRATIME)),
    ("relatime", Atime(MOUNT_ATTR_RELATIME)),
    ("remount", Refuse),
    ("rexec", RecursiveClear(MOUNT_ATTR_NOEXEC)),
    ("ridmap", Refuse),
    ("rnoatime", RecursiveAtime(MOUNT_ATTR_NOATIME)),
    ("rnodev", RecursiveSet(MOUNT_ATTR_NODEV)),
    ("rnodiratime", RecursiveSet(MOUNT_ATTR_NODIRATIME)),
    ("rnoexec", RecursiveSet(MOUNT_ATTR_NOEXEC)),
    ("rnorelatime", RecursiveAtime(MOUNT_ATTR_RELATIME)),
    ("rnostrictatime", RecursiveAtime(MOUNT_ATTR_RELATIME)),
    ("rnosuid", RecursiveSet(MOUNT_ATTR_NOSUID)),
    ("rnosymfollow", RecursiveSet(MOUNT_ATTR_NOSYMFOLLOW)),
    ("ro", Set(MOUNT_ATTR_RDONLY)),
    ("rprivate", Propagate(Private, true)),
    ("rrelatime", RecursiveAtime(MOUNT_ATTR_RELATIME)),
    ("rro", RecursiveSet(MOUNT_ATTR_RDONLY)),
    ("rrw", RecursiveClear(MOUNT_ATTR_RDONLY)),
    ("rshared", Propagate(Shared, true)),
    ("rslave", Propagate(Slave, true)),
    ("rstrictatime", RecursiveAtime(MOUNT_ATTR_STRICTATIME)),
    ("rsuid", RecursiveClear(MOUNT_ATTR_NOSUID)),
    ("rsymfollow", RecursiveClear(MOUNT_ATTR_NOSYMFOLLOW)),
    ("runbindable", Propagate(Unbindable, true)),
    ("rw", Clear(MOUNT_ATTR_RDONLY)),
    ("shared", Propagate(Shared, false)),
    ("silent", Nothing),
    ("slave", Propagate(Slave, false)),
    ("src-nofollow", Refuse),
    ("strictatime", Atime(MOUNT_ATTR_STRICTATIME)),
    ("suid", Clear(MOUNT_ATTR_NOSUID)),
    ("symfollow", Clear(MOUNT_ATTR_NOSYMFOLLOW)),
    ("sync", Superblock("sync", true)),
    ("tmpcopyup", CopyUp),
    ("unbindable", Propagate(Unbindable, false)),
];

/// The options that are understood here, sorted, for the features document; any other goes to the file system.
pub fn known_options() -> Vec<&'static str> {
    TABLE
        .iter()
        .filter(|(_, effect)| !matches!(effect, Refuse))
        .map(|(name, _)| *name)
        .collect()
}

/// The options of one mount, sorted by what has to be done with them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// `bind` (false) or `rbind` (true).
    pub(super) bind: Option<bool>,
    pub(super) own: Attributes,
    pub(super) recursive: Attributes,
    pub(super) propagation: Option<Propagation>,
    /// Superblock flags that are on, with their place in the list.
    pub(super) flags: Vec<(usize, &'static str)>,
    /// What only the file system understands, with its place in the list.
    pub(super) data: Vec<(usize, String)>,
    pub(super) copy_up: Option<usize>,
}

impl Parsed {
    /// What concerns the superblock, with its place in the list: flags, then what only the file system understands.
    pub(super) fn superblock_options(&self) -> impl Iterator<Item = (usize, &str)> {
        let flags = self.flags.iter().map(|(at, flag)| (*at, *flag));
        flags.chain(self.data.iter().map(|(at, option)| (*at, option.as_str())))
    }

    /// The attributes of a new mount: nothing is below it, so the recursive ones are its own.
    pub(super) fn flat(&self) -> Attributes {
        let (own, below) = (self.own, self.recursive);
        Attributes {
            set: (own.set & !below.clear) | below.set,
            clear: (own.clear & !below.set) | below.clear,
        }
    }
}

/// Reads the options of `/mounts/N` for a file system of this type; a later option overrides an earlier one.
pub(super) fn parse(pointer: &str, fstype: &str, options: &[String]) -> Result<Parsed, Error> {
    let mut parsed = Parsed::default();
    // The paths of an overlay may hold commas.
    let pieces = |option| match fstype {
        "overlay" => vec![option],
        _ => pieces(option),
    };
    let options = options.iter().enumerate();
    for (at, option) in options.flat_map(|(at, all)| pieces(all).into_iter().map(move |o| (at, o)))
    {
        let Ok(found) = TABLE.binary_search_by(|(name, _)| (*name).cmp(option)) else {
            check_data(pointer, at, option)?;
            parsed.data.push((at, unquoted(option)));
            continue;
        };
        match TABLE[found].1 {
            Nothing => {}
            Set(flag) => parsed.own.set(flag),
            Clear(flag) => parsed.own.clear(flag),
            Atime(value) => parsed.own.atime(value),
            RecursiveSet(flag) => parsed.recursive.set(flag),
            RecursiveClear(flag) => parsed.recursive.clear(flag),
            RecursiveAtime(value) => parsed.recursive.atime(value),
            Superblock(flag, on) => {
                parsed.flags.retain(|(_, set)| *set != flag);
                if on {
                    parsed.flags.push((at, flag));
                }
            }
            Bind { recursive } => parsed.bind = Some(recursive),
            Propagate(kind, recursive) => {
                parsed.propagation = Some(Propagation { kind, recursive });
            }
            CopyUp => parsed.copy_up = Some(at),
            Refuse => return Err(not_supported(pointer, at, option)),
        }
    }
    Ok(parsed)
}

pub(super) fn option_pointer(pointer: &str, at: usize) -> String {
    format!("{pointer}/options/{at}")
}

fn not_supported(pointer: &str, at: usize, option: &str) -> Error {
    Error::refused(
        option_pointer(pointer, at),
        format!("mount option {option:?} is not supported"),
    )
}

fn check_data(pointer: &str, at: usize, option: &str) -> Result<(), Error> {
    // idmap=…, ridmap=…: crun's notation of an id-mapped mount.
    if option.starts_with("idmap=") || option.starts_with("ridmap=") {
        return Err(not_supported(pointer, at, option));
    }
    let (key, value) = option.split_once('=').unwrap_or((option, ""));
    let reason = if key.is_empty() {
        format!("mount option {option:?} has no name")
    } else if option.contains('\0') {
        "a mount option must not contain NUL".to_owned()
    } else if key.len() > FSCONFIG_MAX || value.len() > FSCONFIG_MAX {
        format!(
            "name or value of a mount option has more than the {FSCONFIG_MAX} bytes that fsconfig(2) takes"
        )
    } else {
        return Ok(());
    };
    Err(Error::refused(option_pointer(pointer, at), reason))
}

/// One string may hold several options, which mount(2) separates at commas: not within the quotes of a label, nor before a digit, as
/// in the `mpol=bind:0-3,5` of tmpfs(5).
fn pieces(option: &str) -> Vec<&str> {
    let mut quoted = false;
    let mut start = 0;
    let mut found = Vec::new();
    for (at, byte) in option.bytes().enumerate() {
        let next = option.as_bytes().get(at + 1);
        quoted ^= byte == b'"';
        if byte == b',' && !quoted && !next.is_some_and(u8::is_ascii_digit) {
            found.extend(option.get(start..at));
            start = at + 1;
        }
    }
    found.extend(option.get(start..));
    found
}

/// mount(8) needs quotes around an SELinux label because it splits at commas; fsconfig(2) would take them as part of it.
fn unquoted(option: &str) -> String {
    let Some((key, value)) = option.split_once('=') else {
        return option.to_owned();
    };
    let label = matches!(key, "context" | "fscontext" | "defcontext" | "rootcontext");
    match value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(bare) if label => format!("{key}={bare}"),
        _ => option.to_owned(),
    }
}

impl Attributes {
    fn set(&mut self, flag: u64) {
        self.set |= flag;
        self.clear &= !flag;
    }

    fn clear(&mut self, flag: u64) {
        self.set &= !flag;
        self.clear |= flag;
    }

    /// The access time setting is a number within the flags: mount_setattr(2) wants all its bits cleared first.
    fn atime(&mut self, value: u64) {
        self.set = (self.set & !MOUNT_ATTR__ATIME) | value;
        self.clear |= MOUNT_ATTR__ATIME;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[&str]) -> Result<Parsed, Error> {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        parse("/mounts/3", "tmpfs", &options)
    }

    #[test]
    fn the_table_is_sorted_without_doubles() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(known_options().contains(&"rro"));
        assert!(!known_options().contains(&"idmap"));
    }

    #[test]
    fn later_options_override_earlier_ones() {
        let parsed = read(&["ro", "nosuid", "rw", "sync", "async", "rshared", "private"]).unwrap();
        assert_eq!(parsed.own.set, MOUNT_ATTR_NOSUID);
        assert_eq!(parsed.own.clear, MOUNT_ATTR_RDONLY);
        assert!(parsed.flags.is_empty());
        assert_eq!(
            parsed.propagation,
            Some(Propagation {
                kind: Private,
                recursive: false
            })
        );
    }

    #[test]
    fn access_time_settings_replace_each_other() {
        let parsed = read(&["noatime", "strictatime", "nodiratime"]).unwrap();
        assert_eq!(
            parsed.own.set,
            MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_NODIRATIME
        );
        assert_eq!(parsed.own.clear, MOUNT_ATTR__ATIME);
        let parsed = read(&["rnoatime", "ratime"]).unwrap();
        assert_eq!(
            (parsed.recursive.set, parsed.recursive.clear),
            (0, MOUNT_ATTR__ATIME)
        );
    }

    #[test]
    fn recursive_attributes_win_on_a_new_mount() {
        let flat = read(&["ro", "exec", "noatime", "rrw", "rnoexec", "rnosuid"])
            .unwrap()
            .flat();
        assert_eq!(
            flat.set,
            MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME
        );
        assert_eq!(flat.clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR__ATIME);
    }

    #[test]
    fn unknown_options_are_left_to_the_file_system() {
        let parsed = read(&["nosuid", "size=1k", "newinstance"]).unwrap();
        let data: Vec<_> = parsed
            .data
            .iter()
            .map(|(at, text)| (*at, text.as_str()))
            .collect();
        assert_eq!(data, [(1, "size=1k"), (2, "newinstance")]);
    }

    #[test]
    fn one_string_may_hold_several_options() {
        let options = ["mode=755,size=1m,ro,mpol=bind:0-3,5,nosuid", "nodev"];
        let parsed = read(&options).unwrap();
        assert_eq!(
            parsed.data,
            [
                (0, "mode=755".to_owned()),
                (0, "size=1m".to_owned()),
                (0, "mpol=bind:0-3,5".to_owned())
            ]
        );
        assert_eq!(
            parsed.own.set,
            MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
        );
        for empty in ["", "size=1,", ",size=1", "size=1,,nosuid"] {
            assert!(read(&[empty]).is_err(), "{empty:?}");
        }
        let paths = ["lowerdir=/a,b".to_owned()];
        let overlay = parse("/mounts/3", "overlay", &paths).unwrap();
        assert_eq!(overlay.data, [(0, "lowerdir=/a,b".to_owned())]);
    }

    #[test]
    fn a_label_loses_its_quotes_and_nothing_else_does() {
        let parsed = read(&["context=\"a:b:c0,c1\"", "mode=\"1\""]).unwrap();
        assert_eq!(parsed.data[0].1, "context=a:b:c0,c1");
        assert_eq!(parsed.data[1].1, "mode=\"1\"");
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_its_pointer() {
        let long = format!("lowerdir={}", "x".repeat(256));
        for (option, reason) in [
            ("idmap", "mount option \"idmap\" is not supported"),
            (
                "idmap=uids=0-1-2",
                "mount option \"idmap=uids=0-1-2\" is not supported",
            ),
            ("remount", "mount option \"remount\" is not supported"),
            ("=x", "mount option \"=x\" has no name"),
            ("a\0b", "a mount option must not contain NUL"),
            (
                &long,
                "name or value of a mount option has more than the 255 bytes that fsconfig(2) takes",
            ),
        ] {
            let error = read(&["ro", option]).unwrap_err();
            assert_eq!(error.to_string(), format!("/mounts/3/options/1: {reason}"));
        }
    }
}
