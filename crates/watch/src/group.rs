//! A fanotify group that holds executions.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags, Response};

use crate::sys;
use crate::view::reopened;

/// Size of `struct fanotify_event_metadata`.
const SIZE: usize = 24;

/// A group. Its descriptor is close-on-exec: while any process has it, the kernel waits for answers.
pub struct Group(Fanotify);

/// What the kernel reports.
#[derive(Debug)]
pub enum Event {
    /// A thread is held. Dropping the descriptor without an answer leaves it held.
    Held {
        /// The file that it executes, and the name of the event towards the kernel.
        file: OwnedFd,
        /// The thread; 0 when it is not in our pid namespace.
        tid: i32,
    },
    /// Events were lost.
    Overflow,
}

impl Group {
    /// A group without marks. The queue has no limit: a limit would let executions pass unseen.
    pub fn new() -> Result<Group, Errno> {
        let flags = InitFlags::FAN_CLASS_CONTENT
            | InitFlags::FAN_CLOEXEC
            | InitFlags::FAN_NONBLOCK
            | InitFlags::FAN_UNLIMITED_QUEUE
            | InitFlags::FAN_UNLIMITED_MARKS
            | InitFlags::FAN_REPORT_TID;
        let files = EventFFlags::O_RDONLY | EventFFlags::O_LARGEFILE | EventFFlags::O_CLOEXEC;
        Fanotify::init(flags, files).map(Group)
    }

    /// Holds executions of a file, whatever path or mount they come through.
    pub fn mark(&self, file: BorrowedFd<'_>) -> Result<(), Errno> {
        self.change(MarkFlags::FAN_MARK_ADD, file)
    }

    /// Holds them no longer.
    pub fn unmark(&self, file: BorrowedFd<'_>) -> Result<(), Errno> {
        self.change(MarkFlags::FAN_MARK_REMOVE, file)
    }

    fn change(&self, flags: MarkFlags, file: BorrowedFd<'_>) -> Result<(), Errno> {
        let path = reopened(file);
        let mask = MaskFlags::FAN_OPEN_EXEC_PERM;
        self.0.mark(flags, mask, AT_FDCWD, Some(&*path))
    }

    /// Removes all marks.
    pub fn flush(&self) -> Result<(), Errno> {
        let mask = MaskFlags::empty();
        self.0
            .mark(MarkFlags::FAN_MARK_FLUSH, mask, AT_FDCWD, Some("/"))
    }

    /// The next events, at most `most`: each opens a descriptor, and where the kernel cannot, it denies the execution.
    pub fn read(&self, most: usize) -> Result<Vec<Event>, Errno> {
        let mut buffer = vec![0; most * SIZE];
        let count = nix::unistd::read(&self.0, &mut buffer)?;
        Ok(parse(&buffer[..count]))
    }

    /// Answers an event.
    pub fn answer(&self, file: BorrowedFd<'_>, allow: bool) -> Result<(), Errno> {
        let response = if allow {
            Response::FAN_ALLOW
        } else {
            Response::FAN_DENY
        };
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&file.as_raw_fd().to_ne_bytes());
        bytes[4..].copy_from_slice(&response.bits().to_ne_bytes());
        nix::unistd::write(&self.0, &bytes).map(|_| ())
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// fanotify(7): event_len 0..4, vers 4, reserved 5, metadata_len 6..8, mask 8..16, fd 16..20, pid 20..24.
fn parse(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while bytes.len() >= SIZE {
        let word = |at: usize| i32::from_ne_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
        let (fd, tid) = (word(16), word(20));
        events.push(if fd < 0 {
            Event::Overflow
        } else {
            Event::Held {
                file: sys::own(fd),
                tid,
            }
        });
        // A later kernel may append to the structure, and says so here.
        let length = usize::try_from(word(0)).unwrap_or(SIZE).max(SIZE);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    events
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd;

    use super::*;

    fn metadata(length: usize, mask: MaskFlags, fd: i32, tid: i32) -> Vec<u8> {
        let mut bytes = u32::try_from(length).unwrap().to_ne_bytes().to_vec();
        bytes.extend([3, 0]);
        bytes.extend(24u16.to_ne_bytes());
        bytes.extend(mask.bits().to_ne_bytes());
        bytes.extend(fd.to_ne_bytes());
        bytes.extend(tid.to_ne_bytes());
        bytes.resize(length, 0xff);
        bytes
    }

    #[test]
    fn events_one_after_the_other() {
        let file = || std::fs::File::open("/dev/null").unwrap().into_raw_fd();
        let held = MaskFlags::FAN_OPEN_EXEC_PERM;
        let mut bytes = metadata(SIZE, held, file(), 42);
        bytes.extend(metadata(SIZE, MaskFlags::FAN_Q_OVERFLOW, -1, 0));
        // As of a kernel that has more to say.
        bytes.extend(metadata(SIZE + 8, held, file(), 43));
        bytes.extend(metadata(SIZE, held, file(), 0));
        // A part of an event is none.
        bytes.extend([0; 7]);
        let events = parse(&bytes);
        let tids: Vec<Option<i32>> = events
            .iter()
            .map(|event| match event {
                Event::Held { tid, .. } => Some(*tid),
                Event::Overflow => None,
            })
            .collect();
        assert_eq!(tids, [Some(42), None, Some(43), Some(0)]);
    }
}
