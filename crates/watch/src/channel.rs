//! Messages between our processes: whole ones, each with at most one descriptor.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, setsockopt, socketpair, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::sys;

/// Longest message in bytes.
const LONGEST: usize = 4096;

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// What came.
#[derive(Debug)]
pub struct Message {
    /// The content.
    pub bytes: Vec<u8>,
    /// The descriptor, if one came along.
    pub fd: Option<OwnedFd>,
}

impl Channel {
    /// Both ends, close-on-exec.
    pub fn pair() -> Result<(Channel, Channel), Errno> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Channel(one), Channel(other)))
    }

    /// An end that came as a descriptor.
    pub fn of(fd: OwnedFd) -> Channel {
        Channel(fd)
    }

    /// Limits how long [`Channel::send_waiting`] waits.
    pub fn limit_waiting(&self, limit: Duration) -> Result<(), Errno> {
        let limit = TimeVal::microseconds(i64::try_from(limit.as_micros()).unwrap_or(i64::MAX));
        setsockopt(&self.0, sockopt::SendTimeout, &limit)
    }

    /// Sends without waiting: EAGAIN when the other end does not read, EPIPE when it is gone.
    pub fn send(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
        self.send_with(bytes, fd, MsgFlags::MSG_DONTWAIT)
    }

    /// Sends, and waits while the other end has too much to read.
    pub fn send_waiting(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
        self.send_with(bytes, fd, MsgFlags::empty())
    }

    fn send_with(
        &self,
        bytes: &[u8],
        fd: Option<BorrowedFd<'_>>,
        flags: MsgFlags,
    ) -> Result<(), Errno> {
        let raw: Vec<RawFd> = fd.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control = if raw.is_empty() { &[] } else { &rights[..] };
        let content = [IoSlice::new(bytes)];
        loop {
            let flags = flags | MsgFlags::MSG_NOSIGNAL;
            match sendmsg::<()>(self.0.as_raw_fd(), &content, control, flags, None) {
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Takes the next message without waiting: EAGAIN when there is none, `None` when the other end is gone.
    pub fn receive(&self) -> Result<Option<Message>, Errno> {
        let mut bytes = vec![0; LONGEST];
        let mut control = nix::cmsg_space!(RawFd);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let (count, fd) = {
            let mut content = [IoSliceMut::new(&mut bytes)];
            let message =
                recvmsg::<()>(self.0.as_raw_fd(), &mut content, Some(&mut control), flags)?;
            let rights = message.cmsgs()?.find_map(|control| match control {
                ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
                _ => None,
            });
            (message.bytes, rights.map(sys::own))
        };
        // Nobody sends an empty message.
        if count == 0 {
            return Ok(None);
        }
        bytes.truncate(count);
        Ok(Some(Message { bytes, fd }))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_whole_and_carry_a_descriptor() {
        let (one, other) = Channel::pair().unwrap();
        assert_eq!(other.receive().unwrap_err(), Errno::EAGAIN);
        one.send(b"first", None).unwrap();
        one.send_waiting(b"second", Some(one.as_fd())).unwrap();
        let first = other.receive().unwrap().unwrap();
        assert!(first.bytes == b"first" && first.fd.is_none());
        let second = other.receive().unwrap().unwrap();
        assert!(second.bytes == b"second");
        // Its copy keeps the channel open until it is dropped.
        drop(one);
        assert_eq!(other.receive().unwrap_err(), Errno::EAGAIN);
        drop(second);
        assert!(other.receive().unwrap().is_none());
        assert_eq!(other.send(b"x", None).unwrap_err(), Errno::EPIPE);
    }

    #[test]
    fn a_full_channel_does_not_hold_the_sender() {
        let (one, _other) = Channel::pair().unwrap();
        let refused = (0..100_000).find_map(|_| one.send(b"x", None).err());
        assert_eq!(refused, Some(Errno::EAGAIN));
    }
}
