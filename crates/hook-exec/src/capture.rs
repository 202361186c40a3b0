//! A hook's output: always drained, the end of it kept, or all of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;

use crate::error::CallError;
use crate::sys;

/// How much of the end of an output is kept, in bytes.
const KEPT: usize = 4096;
/// Greatest length of a UTF-8 sequence less one: so far back may the start of a cut character be.
const CUT: usize = 3;
/// Size of one read, the capacity of a pipe.
const PIECE: usize = 64 << 10;

/// The reading end of one output.
pub struct Output {
    pipe: OwnedFd,
    /// Whether there was an end-of-file: nothing more comes.
    ended: bool,
    tail: Tail,
    whole: Option<Whole>,
}

impl Output {
    /// Makes the pipe; the second value is the hook's end. With a limit all of the output is kept, up to so many bytes.
    pub fn new(limit: Option<usize>) -> Result<(Output, OwnedFd), CallError> {
        let (read, write) =
            nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(CallError::of("pipe2(O_CLOEXEC)"))?;
        let (read, write) = (sys::above_stdio(read)?, sys::above_stdio(write)?);
        // Only this end: a hook must not find its stdout non-blocking.
        fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
            .map_err(CallError::of("fcntl(F_SETFL, O_NONBLOCK)"))?;
        Ok((
            Output {
                pipe: read,
                ended: false,
                tail: Tail::default(),
                whole: limit.map(Whole::new),
            },
            write,
        ))
    }

    /// What to poll for; `None` when there is nothing more to come.
    pub fn pipe(&self) -> Option<BorrowedFd<'_>> {
        (!self.ended).then(|| self.pipe.as_fd())
    }

    /// What poll has said of the pipe. Reads once, without blocking, and not at all where there is only the end to be read.
    pub fn polled(&mut self, events: PollFlags, buffer: &mut Buffer) {
        if events.contains(PollFlags::POLLIN) {
            self.read_some(buffer);
        } else if !events.is_empty() {
            self.ended = true;
        }
    }

    /// Reads what is in the pipe now. A process that is still writing must not hold us here, hence the limit.
    pub fn drain(&mut self, buffer: &mut Buffer) {
        if self.ended {
            return;
        }
        let mut rest = sys::bytes_in_pipe(self.pipe.as_fd());
        while rest > 0 {
            match self.read_some(buffer) {
                0 => return,
                count => rest = rest.saturating_sub(count),
            }
        }
    }

    /// Whether there is a limit and more than that was written.
    pub fn is_too_much(&self) -> bool {
        self.whole.as_ref().is_some_and(|whole| whole.exceeded)
    }

    /// The kept end as text, all of the output if that is kept and was not too much, and our end of the pipe.
    pub fn into_parts(self) -> (String, Option<Vec<u8>>, OwnedFd) {
        let whole = self.whole.filter(|whole| !whole.exceeded);
        (
            self.tail.into_text(),
            whole.map(|whole| whole.bytes),
            self.pipe,
        )
    }

    /// The number of bytes read; 0 when there is nothing to be had now or ever.
    fn read_some(&mut self, buffer: &mut Buffer) -> usize {
        let buffer = buffer.get();
        match nix::unistd::read(&self.pipe, buffer) {
            Ok(count) if count > 0 => {
                self.tail.push(&buffer[..count]);
                if let Some(whole) = &mut self.whole {
                    whole.push(&buffer[..count]);
                }
                count
            }
            Err(Errno::EAGAIN | Errno::EINTR) => 0,
            // End-of-file, or an error that a pipe does not have: in both cases nothing more comes.
            Ok(_) | Err(_) => {
                self.ended = true;
                0
            }
        }
    }
}

/// A buffer for reading that hooks without output do not pay for.
#[derive(Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    fn get(&mut self) -> &mut [u8] {
        self.0.resize(PIECE, 0);
        &mut self.0
    }
}

/// The last bytes of a stream.
#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    fn push(&mut self, piece: &[u8]) {
        const WANTED: usize = KEPT + CUT;
        let piece = &piece[piece.len().saturating_sub(WANTED)..];
        let surplus = (self.bytes.len() + piece.len()).saturating_sub(WANTED);
        self.bytes.drain(..surplus);
        self.bytes.extend_from_slice(piece);
    }

    fn into_text(self) -> String {
        let mut start = self.bytes.len().saturating_sub(KEPT);
        // At most CUT bytes back to the start of a character; what is no UTF-8 at all is replaced below.
        let earliest = start.saturating_sub(CUT);
        while start > earliest && self.bytes[start] & 0xc0 == 0x80 {
            start -= 1;
        }
        String::from_utf8_lossy(&self.bytes[start..]).into_owned()
    }
}

/// All of a stream up to a limit.
struct Whole {
    bytes: Vec<u8>,
    limit: usize,
    exceeded: bool,
}

impl Whole {
    fn new(limit: usize) -> Whole {
        Whole {
            bytes: Vec::new(),
            limit,
            exceeded: false,
        }
    }

    fn push(&mut self, piece: &[u8]) {
        if piece.len() > self.limit - self.bytes.len() {
            self.exceeded = true;
        } else if !self.exceeded {
            self.bytes.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(pieces: &[&[u8]]) -> String {
        let mut tail = Tail::default();
        for piece in pieces {
            tail.push(piece);
        }
        tail.into_text()
    }

    #[test]
    fn short_output_is_kept_whole() {
        assert_eq!(tail(&[]), "");
        assert_eq!(tail(&[b"a", b"", b"bc"]), "abc");
        assert_eq!(tail(&[b"a\xffb"]), "a\u{fffd}b");
    }

    #[test]
    fn the_end_of_long_output_is_kept() {
        let all: Vec<u8> = (0..100_000u32).map(|n| b'a' + (n % 26) as u8).collect();
        let expected = std::str::from_utf8(&all[all.len() - KEPT..]).unwrap();
        assert_eq!(tail(&[&all]), expected);
        for size in [1, 7, 4095, 4096, 4097, 50_000] {
            let pieces: Vec<&[u8]> = all.chunks(size).collect();
            assert_eq!(tail(&pieces), expected, "{size}");
        }
    }

    #[test]
    fn a_character_is_not_cut() {
        for lead in 0..4 {
            let text = format!("{}{}", "x".repeat(lead), "𝄞".repeat(5000));
            let kept = tail(&[text.as_bytes()]);
            assert!(
                kept.len() >= KEPT && kept.chars().all(|c| c == '𝄞'),
                "{lead}: {}",
                kept.len()
            );
        }
    }
}
