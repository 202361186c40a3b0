//! The runtime's end of the sync socket.

use super::LIMIT;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixAddr, accept4, bind, listen, recv, recvmsg, sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;

/// A listening socket.
pub struct Listener(OwnedFd);

/// A packet: kind, payload, descriptors.
#[derive(Debug)]
pub struct Packet {
    pub kind: char,
    pub payload: Vec<u8>,
    pub fds: Vec<OwnedFd>,
}

impl Packet {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

/// A connection to the launcher.
pub struct Connection(OwnedFd);

impl Listener {
    /// Listens at this path.
    pub fn bind(path: &Path) -> Listener {
        let fd = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .expect("socket");
        bind(fd.as_raw_fd(), &UnixAddr::new(path).expect("an address")).expect("bind");
        listen(&fd, Backlog::new(4).expect("backlog")).expect("listen");
        limit(&fd);
        Listener(fd)
    }

    /// Waits for the launcher.
    pub fn accept(&self) -> Connection {
        let fd = uninterrupted(|| accept4(self.0.as_raw_fd(), SockFlag::SOCK_CLOEXEC))
            .expect("the launcher connects");
        let fd = super::sys::owned(fd);
        limit(&fd);
        Connection(fd)
    }
}

/// With a time limit the kernel does not restart a call by itself (signal(7)).
fn uninterrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

fn limit(fd: &OwnedFd) {
    let time = TimeVal::seconds(LIMIT.as_secs().try_into().expect("small"));
    setsockopt(fd, sockopt::ReceiveTimeout, &time).expect("setsockopt");
    setsockopt(fd, sockopt::SendTimeout, &time).expect("setsockopt");
}

impl Connection {
    /// Sends a packet.
    pub fn send(&self, kind: char, payload: &[u8], fds: &[RawFd]) {
        let mut packet = vec![kind as u8];
        packet.extend(payload);
        self.send_packet(&packet, fds);
    }

    /// Sends a packet that begins with its kind.
    pub fn send_packet(&self, packet: &[u8], fds: &[RawFd]) {
        let parts = [IoSlice::new(packet)];
        let rights = [ControlMessage::ScmRights(fds)];
        let control = if fds.is_empty() { &[][..] } else { &rights[..] };
        let flags = MsgFlags::MSG_NOSIGNAL;
        uninterrupted(|| sendmsg::<()>(self.0.as_raw_fd(), &parts, control, flags, None))
            .expect("sendmsg");
    }

    /// Lets init wait for its start, with these descriptors and one that holds its mount point.
    pub fn release(&self, fds: &[RawFd]) {
        let holder = std::fs::File::open("/dev/null").expect("/dev/null");
        let mut fds = fds.to_vec();
        fds.push(holder.as_raw_fd());
        self.send('G', b"", &fds);
    }

    /// Waits for a packet; `None` when the launcher is gone.
    pub fn receive(&self) -> Option<Packet> {
        // Waits; after it nothing can interrupt.
        uninterrupted(|| recv(self.0.as_raw_fd(), &mut [], MsgFlags::MSG_PEEK)).expect("recv");
        let mut bytes = vec![0; 128 << 10];
        let mut control = nix::cmsg_space!([RawFd; 8]);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<()>(
            self.0.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )
        .expect("recvmsg");
        let mut fds = Vec::new();
        for message in message.cmsgs().expect("control data") {
            if let ControlMessageOwned::ScmRights(raw) = message {
                fds.extend(raw.into_iter().map(super::sys::owned));
            }
        }
        let length = message.bytes;
        bytes.truncate(length);
        let (kind, payload) = bytes.split_first()?;
        Some(Packet {
            kind: *kind as char,
            payload: payload.to_vec(),
            fds,
        })
    }

    /// Waits for a packet of this kind.
    pub fn expect(&self, kind: char) -> Packet {
        let packet = self
            .receive()
            .unwrap_or_else(|| panic!("the launcher is gone, awaited {kind:?}"));
        assert_eq!(packet.kind, kind, "{:?}", packet.text());
        packet
    }
}
