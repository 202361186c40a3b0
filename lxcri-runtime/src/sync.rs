//! The runtime's end of the sync socket, at which the launcher reports in the mount hook and as init.

use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use hook_tree::sync as kind;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixAddr, accept4, bind, getsockopt, listen, recvmsg, sendmsg, socket, sockopt,
};

use crate::access::Access;
use crate::process;

/// How long the launcher may take for anything that is not a hook.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The listening socket.
pub struct Listener {
    socket: OwnedFd,
    buffer: Buffer,
}

/// Room for the largest packet, made once for all peers: most packets are a few bytes. What the allocator gets from the kernel for it
/// is zero, and is never touched.
type Buffer = Arc<Mutex<Vec<u8>>>;

/// A launcher at the other end.
pub struct Peer {
    socket: OwnedFd,
    /// Its pid, as the kernel tells it (SO_PEERCRED in unix(7)).
    pub pid: i32,
    buffer: Buffer,
}

/// A packet from the launcher.
#[derive(Debug)]
pub struct Packet {
    /// The first byte.
    pub kind: u8,
    /// The rest.
    pub payload: Vec<u8>,
    /// A descriptor that came with it.
    pub fd: Option<OwnedFd>,
}

impl Listener {
    /// Binds `name` in a directory.
    pub fn bind(dir: &Path, name: &str, access: Access) -> Result<Listener> {
        let path = dir.join(name);
        let context = || format!("bind sync socket {}", path.display());
        let socket = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .with_context(|| "socket(AF_UNIX, SOCK_SEQPACKET)")?;
        // Through a descriptor, because the path of a socket is limited to 107 bytes.
        let directory = fs::File::open(dir).with_context(context)?;
        let short = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
        bind(
            socket.as_raw_fd(),
            &UnixAddr::new(short.as_str()).with_context(context)?,
        )
        .with_context(context)?;
        access.tree(&path)?;
        listen(&socket, Backlog::new(4).context("backlog")?).with_context(context)?;
        Ok(Listener {
            socket,
            buffer: Arc::new(Mutex::new(vec![0; kind::PACKET_LIMIT])),
        })
    }

    /// Accepts a connection that is already waiting.
    pub fn accept(&self) -> Result<Peer> {
        let fd = accept4(self.socket.as_raw_fd(), SockFlag::SOCK_CLOEXEC)
            .context("accept on the sync socket")?;
        let socket = own(fd);
        let credentials =
            getsockopt(&socket, sockopt::PeerCredentials).context("getsockopt(SO_PEERCRED)")?;
        Ok(Peer {
            socket,
            pid: credentials.pid(),
            buffer: Arc::clone(&self.buffer),
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Peer {
    /// Sends a packet with descriptors.
    pub fn send(&self, kind: u8, payload: &[u8], fds: &[RawFd]) -> Result<()> {
        self.send_parts(&[IoSlice::new(&[kind]), IoSlice::new(payload)], fds)
    }

    /// Sends a packet that begins with its kind.
    pub fn send_packet(&self, packet: &[u8]) -> Result<()> {
        self.send_parts(&[IoSlice::new(packet)], &[])
    }

    fn send_parts(&self, parts: &[IoSlice<'_>], fds: &[RawFd]) -> Result<()> {
        let rights = [ControlMessage::ScmRights(fds)];
        let control = if fds.is_empty() {
            &rights[..0]
        } else {
            &rights[..]
        };
        loop {
            match sendmsg::<()>(
                self.socket.as_raw_fd(),
                parts,
                control,
                MsgFlags::MSG_NOSIGNAL,
                None,
            ) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(Errno::EPIPE | Errno::ECONNRESET) => {
                    bail!("the launcher ended before its time")
                }
                Err(e) => return Err(anyhow!(e)).context("send to the launcher"),
            }
        }
    }

    /// Receives a packet. `None` at the end of the connection. Without a deadline it waits as long as the launcher
    /// lives, which is right only while a hook without a timeout runs.
    pub fn receive(&self, end: Option<Instant>) -> Result<Option<Packet>> {
        if let Some(end) = end
            && !process::wait_readable(self.socket.as_fd(), end).context("wait for the launcher")?
        {
            bail!("the launcher did not answer in time");
        }
        let mut buffer = self.buffer.lock().unwrap_or_else(|e| e.into_inner());
        let mut control = nix::cmsg_space!([RawFd; 4]);
        let (length, mut fds) = loop {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            match recvmsg::<()>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::MSG_CMSG_CLOEXEC,
            ) {
                Ok(message) => {
                    let mut fds = Vec::new();
                    for part in message.cmsgs().context("receive from the launcher")? {
                        if let ControlMessageOwned::ScmRights(raw) = part {
                            fds.extend(raw.into_iter().map(own));
                        }
                    }
                    break (message.bytes, fds);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::ECONNRESET) => return Ok(None),
                Err(e) => return Err(anyhow!(e)).context("receive from the launcher"),
            }
        };
        if length == 0 {
            return Ok(None);
        }
        Ok(Some(Packet {
            kind: buffer[0],
            payload: buffer[1..length].to_vec(),
            fd: fds.pop(),
        }))
    }

    /// Receives a packet of one kind.
    pub fn expect(&self, wanted: u8, end: Instant) -> Result<Packet> {
        match self.receive(Some(end))? {
            Some(packet) if packet.kind == wanted => Ok(packet),
            Some(packet) => bail!(
                "the launcher sent {:?} instead of {:?}",
                packet.kind as char,
                wanted as char
            ),
            None => bail!("the launcher ended before its time"),
        }
    }
}

fn own(fd: RawFd) -> OwnedFd {
    crate::sys::received(fd)
}
