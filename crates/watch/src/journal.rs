//! What the next worker must know if this one is killed: the containers that it watches and the roots it has learned of.
//!
//! Two memory files, of which one is valid: when it has grown, the other is written anew and then declared to be the valid
//! one by its last line. A worker may be killed at any moment; a line that it did not finish does not count.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::uio::{pread, pwrite};
use nix::unistd::ftruncate;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Size in bytes beyond which a file is written anew, unless what it must hold is that large.
const LARGE: i64 = 256 << 10;

/// The files. They outlive the workers, since the supervisor has them, too.
#[derive(Debug)]
pub struct Journal([OwnedFd; 2]);

/// A line.
#[derive(Serialize, Deserialize)]
enum Line<T> {
    /// Something happened.
    Entry(T),
    /// What stands above replaces all files with a smaller number.
    Valid(u64),
}

impl Journal {
    /// Empty files.
    pub fn new() -> Result<Journal, Errno> {
        let file = || memfd_create(c"lxcri-watch", MFdFlags::MFD_CLOEXEC);
        Ok(Journal([file()?, file()?]))
    }

    /// The files' descriptors.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.0[0].as_fd(), self.0[1].as_fd()]
    }

    /// Reads what is there and goes on behind it.
    pub fn open<T: DeserializeOwned + Serialize>(self: &Arc<Self>) -> (Writer, Vec<T>) {
        let files = [0, 1].map(|place| read::<T>(self.0[place].as_fd()));
        let [one, other] = &files;
        let current = usize::from(other.generation > one.generation);
        let [one, other] = files;
        let file = if current == 0 { one } else { other };
        let writer = Writer {
            journal: Arc::clone(self),
            current,
            generation: file.generation,
            end: file.end,
            base: 0,
        };
        (writer, file.entries)
    }
}

struct Content<T> {
    generation: u64,
    entries: Vec<T>,
    /// Where the last whole line ends.
    end: i64,
}

fn read<T: DeserializeOwned>(fd: BorrowedFd<'_>) -> Content<T> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 << 10];
    let offset = |bytes: &Vec<u8>| i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    while let Ok(count @ 1..) = pread(fd, &mut piece, offset(&bytes)) {
        bytes.extend_from_slice(&piece[..count]);
    }
    let mut content = Content {
        generation: 0,
        entries: Vec::new(),
        end: 0,
    };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.last() != Some(&b'\n') {
            break;
        }
        match serde_json::from_slice(line) {
            Ok(Line::Entry(entry)) => content.entries.push(entry),
            Ok(Line::Valid(generation)) => content.generation = generation,
            Err(_) => {}
        }
        content.end += i64::try_from(line.len()).unwrap_or(0);
    }
    content
}

/// Appends to the journal.
pub struct Writer {
    journal: Arc<Journal>,
    current: usize,
    generation: u64,
    end: i64,
    /// The size right after the file was written anew.
    base: i64,
}

impl Writer {
    /// Appends an entry.
    pub fn add<T: Serialize>(&mut self, entry: &T) -> Result<(), Errno> {
        self.write(&Line::Entry(entry))
    }

    /// Whether there is much that does not matter any more.
    pub fn is_large(&self) -> bool {
        self.end > LARGE && self.end / 2 > self.base
    }

    /// Replaces everything by these entries.
    pub fn replace<T: Serialize>(&mut self, entries: impl Iterator<Item = T>) -> Result<(), Errno> {
        let old = self.current;
        self.current = 1 - old;
        self.end = 0;
        ftruncate(&self.journal.0[self.current], 0)?;
        for entry in entries {
            self.write(&Line::Entry(entry))?;
        }
        self.generation += 1;
        self.write(&Line::<()>::Valid(self.generation))?;
        self.base = self.end;
        ftruncate(&self.journal.0[old], 0)
    }

    fn write<T: Serialize>(&mut self, line: &Line<T>) -> Result<(), Errno> {
        let mut bytes = serde_json::to_vec(line).unwrap_or_default();
        bytes.push(b'\n');
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let count = pwrite(&self.journal.0[self.current], rest, self.end)?;
            self.end += i64::try_from(count).unwrap_or(0);
            rest = &rest[count..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(journal: &Arc<Journal>) -> Vec<u32> {
        journal.open::<u32>().1
    }

    #[test]
    fn what_was_written_is_read_by_the_next() {
        let journal = Arc::new(Journal::new().unwrap());
        let (mut writer, none) = journal.open::<u32>();
        assert!(none.is_empty());
        for n in 1..=3 {
            writer.add(&n).unwrap();
        }
        let (mut next, found) = journal.open::<u32>();
        assert_eq!(found, [1, 2, 3]);
        next.add(&4u32).unwrap();
        assert_eq!(entries(&journal), [1, 2, 3, 4]);
    }

    #[test]
    fn a_death_in_the_middle_loses_nothing_that_was_finished() {
        let journal = Arc::new(Journal::new().unwrap());
        let (mut writer, _) = journal.open::<u32>();
        writer.add(&1u32).unwrap();
        let end = writer.end;
        pwrite(&journal.0[0], b"{\"Entry\":2", end).unwrap();
        let (mut next, found) = journal.open::<u32>();
        assert_eq!(found, [1]);
        next.add(&3u32).unwrap();
        assert_eq!(entries(&journal), [1, 3]);
        // Written anew, but not declared valid.
        pwrite(&journal.0[1], b"{\"Entry\":7}\n", 0).unwrap();
        assert_eq!(entries(&journal), [1, 3]);
    }

    #[test]
    fn it_is_written_anew_now_and_then() {
        let journal = Arc::new(Journal::new().unwrap());
        let (mut writer, _) = journal.open::<u32>();
        let mut replaced = 0;
        for n in 0..200_000u32 {
            writer.add(&n).unwrap();
            if writer.is_large() {
                writer.replace([n].into_iter()).unwrap();
                replaced += 1;
                assert_eq!(entries(&journal), [n]);
            }
        }
        assert!(replaced > 2);
        assert_eq!(entries(&journal).last(), Some(&199_999));
    }
}
