//! Reads /proc/PID/mountinfo, proc_pid_mountinfo(5).
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) parent: u64,
    /// Which part of the file system is mounted.
    pub(super) root: PathBuf,
    pub(super) point: PathBuf,
    /// `shared:N` is among the optional fields.
    pub(super) shared: bool,
    pub(super) fstype: String,
    pub(super) super_options: String,
}

/// Lines that do not parse are left out: the kernel writes none.
pub(super) fn parse(text: &str) -> Vec<Entry> {
    text.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Entry> {
    let (mount, superblock) = text.split_once(" - ")?;
    let mut fields = mount.split(' ');
    let id = fields.next()?.parse().ok()?;
    let parent = fields.next()?.parse().ok()?;
    let root = unescape(fields.nth(1)?);
    let point = unescape(fields.next()?);
    let shared = fields.skip(1).any(|field| field.starts_with("shared:"));
    let mut fields = superblock.split(' ');
    let fstype = fields.next()?.to_owned();
    let super_options = fields.nth(1)?.to_owned();
    Some(Entry {
        id,
        parent,
        root,
        point,
        shared,
        fstype,
        super_options,
    })
}

/// Blank, tab, newline and backslash are written as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
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
        let text = "36 35 98:0 /a\\040b /mnt\\134x rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n\
                    garbage\n\
                    37 36 0:3 / /p rw - proc proc rw\n";
        let entries = parse(text);
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].root, PathBuf::from("/a b"));
        assert_eq!(entries[0].point, PathBuf::from("/mnt\\x"));
        assert!(entries[0].shared);
        assert_eq!(entries[0].super_options, "rw,errors=continue");
        assert_eq!(
            (entries[1].id, entries[1].parent, entries[1].shared),
            (37, 36, false)
        );
        assert_eq!(entries[1].fstype, "proc");
    }
}
