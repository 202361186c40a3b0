//! Messages for people, on stderr.

use std::io::Write;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Longest message in bytes: a pipe takes that much without making the writer wait, if it takes anything.
const LONGEST: usize = 4000;

/// Writes a line. A reader that does not read must not hold us, so the line is dropped then.
pub fn say(text: impl AsRef<str>) {
    let text = text.as_ref();
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let stderr = std::io::stderr();
    let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0) {
        let line = text[..end].replace('\n', " ");
        let _ = writeln!(stderr.lock(), "lxcri-watch: {line}");
    }
}
