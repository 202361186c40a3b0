//! The rendezvous with the runtime in the mount hook.

use crate::dir::Dir;
use crate::errno::Errno;
use crate::fail::{self, Failure, Result};
use crate::phase;
use crate::report::Report;
use crate::start::Start;
use crate::superblock;
use crate::sys::{self, Buf, Fd, Packet, Received, Socket, open};
use crate::tree::Above;
use hook_tree::{Phase, sync};

/// Connects to the runtime. The socket is named relative to its directory, because the whole path may be longer than an
/// address of a socket.
pub fn connect(guest: &Dir) -> Result<Socket> {
    let failed = |errno| guest.failed(fail::SYNC_CONNECT, b"connect", c"sync", errno);
    sys::fchdir(guest.fd()).map_err(failed)?;
    let socket = Socket::connect(c"sync").map_err(failed)?;
    sys::chdir(c"/").map_err(failed)?;
    Ok(socket)
}

/// Waits for the runtime's next packet.
pub fn receive<'a>(socket: &Socket, buffer: &'a mut Buf, fds: &mut Received) -> Result<Packet<'a>> {
    match socket.receive(buffer, sync::PACKET_LIMIT, fds) {
        Ok(Some(packet)) => Ok(packet),
        Ok(None) => Err(Failure::new(fail::SYNC_LOST, &[b"the runtime went away"])),
        Err(errno) => {
            let code = if errno == Errno::EMSGSIZE {
                fail::SYNC_UNEXPECTED
            } else {
                fail::SYNC_LOST
            };
            Err(Failure::of_call(code, b"recvmsg", b"sync", errno))
        }
    }
}

/// Sends a packet to the runtime.
pub fn send(socket: &Socket, kind: u8, payload: &[u8], fd: Option<&Fd>) -> Result<()> {
    socket
        .send(kind, payload, fd)
        .map_err(|errno| Failure::of_call(fail::SYNC_LOST, b"sendmsg", b"sync", errno))
}

/// A packet that has no place here.
pub fn unexpected(kind: u8) -> Failure {
    Failure::new(
        fail::SYNC_UNEXPECTED,
        &[b"unexpected packet '", &[kind], b"' from the runtime"],
    )
}

/// Serves the runtime until it has the phase run, and runs it.
pub fn create_container(phase: Phase, dir_name: &[u8], start: &Start) -> Result<()> {
    let dir = Dir::open(dir_name)?;
    let socket = connect(&dir.require(c"guest", open::PATH)?)?;
    send(&socket, sync::MOUNT_READY, b"", None)?;
    let mut buffer = Buf::new();
    let mut fds = Received::new();
    loop {
        let packet = receive(&socket, &mut buffer, &mut fds)?;
        match packet.kind {
            sync::MAKE_MOUNT => match superblock::make(packet.payload) {
                Ok(mount) => send(&socket, sync::MOUNT_FD, b"", Some(&mount))?,
                Err(failure) => send(&socket, sync::MOUNT_ERROR, failure.text(), None)?,
            },
            sync::RUN_PHASE => {
                let result = run(&socket, phase, &dir, packet.payload, start);
                match &result {
                    Ok(()) => send(&socket, sync::PHASE_DONE, b"", None)?,
                    Err(failure) => send(&socket, sync::PHASE_FAILED, failure.text(), None)?,
                }
                return result;
            }
            kind => return Err(unexpected(kind)),
        }
    }
}

fn run(socket: &Socket, phase: Phase, dir: &Dir, rootfs: &[u8], start: &Start) -> Result<()> {
    let above = Above::open(dir, phase)?;
    let tree = above.tree()?;
    if tree.count == 0 {
        return Ok(());
    }
    let from_lxc = start.env("LXC_ROOTFS_MOUNT").map(core::ffi::CStr::to_bytes);
    phase::run(&tree, rootfs, from_lxc, &mut Report::Socket(socket))
}
