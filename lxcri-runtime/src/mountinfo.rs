//! Reads /proc/PID/mountinfo, proc_pid_mountinfo(5).
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Number of the mount.
    pub id: u64,
    /// Number of the mount on which it lies.
    pub parent: u64,
    /// Major and minor number of the superblock.
    pub device: (u32, u32),
    /// Which part of the file system is mounted.
    pub root: PathBuf,
    /// Where it is mounted, as the reader's root shows it.
    pub point: PathBuf,
    /// `shared:N` is among the optional fields.
    pub shared: bool,
    /// Type of the file system.
    pub fstype: String,
    /// Options of the superblock, separated by commas.
    pub super_options: String,
    /// Whether the mount or the superblock is read-only.
    pub read_only: bool,
}

/// The text of the calling process.
///
/// # Errors
/// That of the system call.
pub fn read() -> io::Result<Vec<u8>> {
    // The file has no size by which std would know how much to read at once.
    let mut text = Vec::with_capacity(16 << 10);
    File::open("/proc/self/mountinfo")?.read_to_end(&mut text)?;
    Ok(text)
}

/// The mounts in their order. A line that cannot be read comes back as it is; the kernel writes none.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Result<Entry, &[u8]>> {
    text.split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| entry(line).ok_or(line))
}

/// Whether the path of `entry`, one of `all`, leads to it: nothing that was mounted later lies over it or over a directory on
/// the way.
pub fn is_visible(entry: &Entry, all: &[Entry]) -> bool {
    let mut entry = entry;
    // What is mounted on the root of this one hides it.
    let below = |other: &Entry, on: &Entry| other.parent == on.id && other.point == on.point;
    if all.iter().any(|other| below(other, entry)) {
        return false;
    }
    // A mount table has no circles, but a text may have.
    for _ in 0..all.len() {
        let Some(parent) = all.iter().find(|other| other.id == entry.parent) else {
            return true;
        };
        let hidden = all.iter().any(|other| {
            other.parent == parent.id
                && other.id != entry.id
                && entry.point.starts_with(&other.point)
        });
        if hidden {
            return false;
        }
        entry = parent;
    }
    false
}

fn entry(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|&b| b == b' ');
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse().ok();
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let device = device(fields.next()?)?;
    let root = unescape(fields.next()?);
    let point = unescape(fields.next()?);
    let options = fields.next()?;
    // Optional fields end at a single hyphen; file system type, source and superblock options follow.
    let mut shared = false;
    loop {
        match fields.next()? {
            b"-" => break,
            field => shared |= field.starts_with(b"shared:"),
        }
    }
    let fstype = text(fields.next()?);
    let super_options = fields.nth(1)?;
    let has_ro = |options: &[u8]| options.split(|&b| b == b',').any(|option| option == b"ro");
    Some(Entry {
        id,
        parent,
        device,
        root,
        point,
        shared,
        fstype,
        read_only: has_ro(options) || has_ro(super_options),
        super_options: text(super_options),
    })
}

fn device(field: &[u8]) -> Option<(u32, u32)> {
    let (major, minor) = std::str::from_utf8(field).ok()?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Blank, tab, newline and backslash are written as three octal digits.
fn unescape(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'\\'
            && let Some(digits) = tail.get(..3)
            && let Ok(digits) = std::str::from_utf8(digits)
            && let Ok(byte) = u8::from_str_radix(digits, 8)
        {
            bytes.push(byte);
            rest = &tail[3..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_fields_and_escapes_are_understood() {
        let text = "36 35 98:0 /a\\040b /mnt\\134x rw,noatime master:1 shared:2 - ext3 /dev/root ro,errors=continue\n\
                    garbage\n\
                    37 36 0:3 / /p rw - proc proc rw\n";
        let lines: Vec<_> = parse(text.as_bytes()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], Err(&b"garbage"[..]));
        let entries: Vec<Entry> = lines.into_iter().flatten().collect();
        assert_eq!(entries[0].root, PathBuf::from("/a b"));
        assert_eq!(entries[0].point, PathBuf::from("/mnt\\x"));
        assert!(entries[0].shared && entries[0].read_only);
        assert_eq!(entries[0].device, (98, 0));
        assert_eq!(entries[0].super_options, "ro,errors=continue");
        assert_eq!(
            (entries[1].id, entries[1].parent, entries[1].shared),
            (37, 36, false)
        );
        assert_eq!(entries[1].fstype, "proc");
        assert!(!entries[1].read_only);
    }

    #[test]
    fn what_lies_under_a_later_mount_is_hidden() {
        let visible = |text: &str| -> Vec<u64> {
            let all: Vec<Entry> = parse(text.as_bytes()).flatten().collect();
            let seen = all.iter().filter(|entry| is_visible(entry, &all));
            seen.map(|entry| entry.id).collect()
        };
        let hybrid = "20 1 8:1 / / rw - ext4 e rw\n\
                      21 20 0:20 / /sys rw - sysfs sysfs rw\n\
                      22 21 0:21 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      23 22 0:22 / /sys/fs/cgroup/unified rw - cgroup2 c rw\n\
                      24 22 0:23 / /sys/fs/cgroup/cpu rw - cgroup c rw,cpu\n";
        assert_eq!(visible(hybrid), [20, 21, 22, 23, 24]);
        // Over the top, over one, over the file system that holds the top, and beside.
        let with = |line: &str| visible(&format!("{hybrid}{line}\n"));
        assert_eq!(
            with("25 22 0:22 / /sys/fs/cgroup rw - cgroup2 c rw"),
            [20, 21, 25]
        );
        assert_eq!(
            with("25 24 0:22 / /sys/fs/cgroup/cpu rw - tmpfs t rw"),
            [20, 21, 22, 23, 25]
        );
        assert_eq!(with("25 21 0:22 / /sys/fs rw - tmpfs t rw"), [20, 21, 25]);
        assert_eq!(
            with("25 22 0:22 / /sys/fs/cgroup/cp rw - tmpfs t rw"),
            [20, 21, 22, 23, 24, 25]
        );
    }

    #[test]
    fn a_cut_line_is_none() {
        for text in [
            "31 23 0:28 / /sys/fs/cgroup rw,relatime",
            "41 31 x:38 / /c rw - cgroup2 cgroup2 rw",
            "41 31 0:38 / /c rw - cgroup2",
            "41 31",
        ] {
            assert_eq!(parse(text.as_bytes()).next(), Some(Err(text.as_bytes())));
        }
    }
}
