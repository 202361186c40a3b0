//! The rendezvous with the runtime in the mount hook.

use crate::dir::Dir;
use crate::errno::Errno;
use crate::fail::{self, OrDie, die, die_of};
use crate::phase;
use crate::report::Listener;
use crate::start::Start;
use crate::superblock;
use crate::sys::{self, Buf, Fd, Received};
use crate::tree::Tree;
use hook_tree::{Phase, sync};

/// Connects to the runtime. The socket is named relative to its directory, because the whole path may be longer than an
/// address of a socket.
pub fn connect(guest: &Dir) -> Fd {
    let connected = sys::fchdir(guest.fd).and_then(|()| sys::connect());
    let socket = match connected {
        Ok(socket) => socket,
        Err(errno) => die_of(
            fail::SYNC_CONNECT,
            b"connect",
            guest.path_of(c"sync").bytes(),
            errno,
        ),
    };
    sys::chdir(c"/").or_die(fail::SYSTEM, b"chdir", b"/");
    socket
}

/// Waits for the runtime's next packet: its kind and its payload.
pub fn receive<'a>(socket: Fd, buffer: &'a mut Buf, fds: &mut Received) -> (u8, &'a [u8]) {
    if let Err(errno) = sys::receive(socket, buffer, sync::PACKET_LIMIT, fds) {
        let too_long = errno == Errno::EMSGSIZE;
        let code = if too_long {
            fail::SYNC_UNEXPECTED
        } else {
            fail::SYNC_LOST
        };
        die_of(code, b"recvmsg", b"sync", errno);
    }
    match buffer.bytes().split_first() {
        Some((kind, payload)) => (*kind, payload),
        None => die(fail::SYNC_LOST, &[b"the runtime went away"]),
    }
}

/// Sends a packet to the runtime.
pub fn send(socket: Fd, kind: u8, payload: &[u8], fd: Option<Fd>) {
    sys::send(socket, kind, payload, fd).or_die(fail::SYNC_LOST, b"sendmsg", b"sync");
}

/// Ends the launcher: a packet has no place here.
pub fn unexpected(kind: u8) -> ! {
    let why: &[&[u8]] = &[b"unexpected packet '", &[kind], b"' from the runtime"];
    die(fail::SYNC_UNEXPECTED, why)
}

/// Serves the runtime until it has the phase run, and runs it.
pub fn create_container(phase: Phase, dir_name: &[u8], start: &Start) {
    let dir = Dir::open(dir_name);
    let socket = connect(&dir.require(c"guest"));
    send(socket, sync::MOUNT_READY, b"", None);
    let mut buffer = Buf::new();
    let mut why = Buf::new();
    let mut fds = Received::new();
    loop {
        let (kind, payload) = receive(socket, &mut buffer, &mut fds);
        match kind {
            sync::MAKE_MOUNT => {
                why.clear();
                match superblock::make(payload, &mut why) {
                    Some(mount) => {
                        send(socket, sync::MOUNT_FD, b"", Some(mount));
                        mount.close();
                    }
                    None => send(socket, sync::MOUNT_ERROR, why.bytes(), None),
                }
            }
            sync::RUN_PHASE => {
                let listener = Listener::Socket(socket).attend();
                Tree::with(&dir, phase, |tree| {
                    phase::run(tree, payload, start.env("LXC_ROOTFS_MOUNT"), listener);
                });
                return send(socket, sync::PHASE_DONE, b"", None);
            }
            kind => unexpected(kind),
        }
    }
}
