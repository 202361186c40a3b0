//! The rendezvous with the runtime in the mount hook.

use crate::dir::Dir;
use crate::errno::Errno;
use crate::fail::{self, die};
use crate::sys::{self, Buf, Fd, Received, Str};
use crate::{phase, report, superblock};
use hook_tree::{Phase, sync};

/// Connects to the runtime. The socket is named relative to its directory, because the whole path may be longer than an
/// address of a socket.
pub fn connect(guest: &Dir) -> Fd {
    let mut result = sys::fchdir(guest.fd);
    if !result.is_err() {
        result = sys::connect();
    }
    let Some(socket) = result.fd() else {
        guest.failed_as(
            fail::SYNC_CONNECT,
            text!("connect"),
            text!("sync"),
            result.errno(),
        )
    };
    sys::chdir(text!("/")).or_die(fail::SYSTEM, text!("chdir"), Some(text!("/")));
    socket
}

/// Waits for the runtime's next packet and returns its kind; the payload stays in the buffer.
pub fn receive(socket: Fd, buffer: &mut Buf, fds: &mut Received) -> u8 {
    let received = sys::receive(socket, buffer, sync::PACKET_LIMIT, fds);
    let too_long = received.errno() == Errno::EMSGSIZE;
    let code = if too_long {
        fail::SYNC_UNEXPECTED
    } else {
        fail::SYNC_LOST
    };
    received.or_die(code, text!("recvmsg"), Some(text!("sync")));
    match buffer.bytes() {
        [kind, ..] => *kind,
        [] => die(fail::SYNC_LOST, text!("the runtime went away"), None),
    }
}

/// Sends a packet to the runtime.
pub fn send(socket: Fd, kind: u8, payload: &[u8], fd: Option<Fd>) {
    let sent = sys::send(socket, kind, payload, fd);
    sent.or_die(fail::SYNC_LOST, text!("sendmsg"), Some(text!("sync")));
}

/// Ends the launcher: a packet has no place here.
pub fn unexpected(kind: u8) -> ! {
    let mut number = Buf::new();
    fail::push_number(&mut number, kind.into());
    let format = text!("unexpected packet % from the runtime");
    die(fail::SYNC_UNEXPECTED, format, Some(number.text()))
}

/// Serves the runtime until it has the phase run, and runs it.
pub fn create_container(dir: &Dir, from_lxc: Option<Str>) {
    let guest = dir.require(text!("guest"));
    let socket = connect(&guest);
    send(socket, sync::MOUNT_READY, b"", None);
    let mut buffer = Buf::new();
    let mut why = Buf::new();
    let mut fds = Received::new();
    loop {
        match receive(socket, &mut buffer, &mut fds) {
            sync::MAKE_MOUNT => {
                let request = buffer.bytes().get(1..).unwrap_or_default();
                let mount = superblock::make(request, &mut why);
                match mount {
                    Some(mount) => {
                        send(socket, sync::MOUNT_FD, b"", Some(mount));
                        mount.close();
                    }
                    None => send(socket, sync::MOUNT_ERROR, why.bytes(), None),
                }
            }
            sync::RUN_PHASE => {
                report::attend(report::SOCKET, Some(socket));
                let payload = buffer.bytes().len() - 1;
                buffer.keep_last(payload);
                let rootfs = (!buffer.bytes().is_empty()).then(|| buffer.text());
                phase::run(dir, Phase::CreateContainer, rootfs, from_lxc);
                return send(socket, sync::PHASE_DONE, b"", None);
            }
            kind => unexpected(kind),
        }
    }
}
