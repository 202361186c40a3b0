//! The runtime's end of the launcher: the rendezvous in the mount hook, and the connection of init.

use crate::errno::Errno;
use crate::fail::{self, finish, push_errno, push_number};
use crate::sys::{self, Buf, Fd, List, Str, open};
use crate::tree::Tree;
use crate::{phase, report};
use hook_tree::calls::End;
use hook_tree::{Phase, names, sync};

/// Connects to the runtime and says who is there. The directory of the socket is at hand; the socket is named relative
/// to it, because the whole path may be longer than an address of a socket.
pub fn connect(tree: &mut Tree, guest: Fd, greeting: u8) -> Fd {
    let socket = Fd(sys::socket().or_die(failure!(fail::SYSTEM, "socket(AF_UNIX)")) as i32);
    let mut connected = sys::fchdir(guest);
    if !connected.is_err() {
        connected = sys::connect(socket);
    }
    if connected.is_err() {
        tree.enter(names::SYNC.as_bytes());
        tree.failed_as(fail::SYNC_CONNECT, b"connect(", connected.errno());
    }
    sys::chdir(text!("/")).or_die(failure!(fail::SYSTEM, "chdir(/)"));
    send(socket, greeting, b"", None);
    socket
}

/// Sends a packet to the runtime.
fn send(socket: Fd, kind: u8, payload: &[u8], fd: Option<Fd>) {
    sys::send(socket, kind, payload, fd).or_die(failure!(fail::SYNC_LOST, "sendmsg(sync)"));
}

/// Waits for the runtime's next packet.
pub fn receive(socket: Fd, packet: &mut List) {
    let received = packet.receive(socket);
    if received.errno() == Errno::EMSGSIZE {
        received.or_die(failure!(fail::SYNC_UNEXPECTED, "recvmsg(sync)"));
    }
    if received.or_die(failure!(fail::SYNC_LOST, "recvmsg(sync)")) == 0 {
        failure!(fail::SYNC_LOST, "the runtime went away").die(b"");
    }
}

/// Ends the launcher: a packet has no place here.
pub fn unexpected(packet: &List) -> ! {
    let mut text = Buf::new();
    text.push(b"unexpected packet ");
    push_number(&mut text, packet.kind().into());
    finish(fail::SYNC_UNEXPECTED, &text)
}

/// Serves the runtime until it has the phase run, and runs it.
#[inline(never)]
pub fn create_container(tree: &mut Tree, from_lxc: Option<Str>) {
    tree.at(names::GUEST.as_bytes());
    let Some(guest) = tree.get(open::PATH | open::DIRECTORY) else {
        tree.failed(Errno::ENOENT)
    };
    let socket = connect(tree, guest, sync::MOUNT_READY);
    let mut packet = List::for_packets();
    loop {
        receive(socket, &mut packet);
        match packet.kind() {
            sync::MAKE_MOUNT => make_mount(socket, &packet),
            sync::RUN_PHASE => break,
            _ => unexpected(&packet),
        }
    }
    report::SOCKET.attend(socket);
    report::RECORDS.attend(packet.fd());
    phase::run(tree, Phase::CreateContainer, from_lxc);
    send(socket, sync::PHASE_DONE, b"", None);
}

/// Makes a superblock for the runtime, inside the container's namespaces.
///
/// proc belongs to the pid namespace of whoever makes it, mqueue to its IPC namespace, sysfs to its network namespace,
/// and all of them to its user namespace. The runtime lives in none of these, the launcher in all.
#[inline(never)]
fn make_mount(socket: Fd, request: &List) {
    let end = request.carry_out(None);
    if end.result < 0 {
        let mut why = Buf::new();
        explain(&mut why, request, &end);
        send(socket, sync::MOUNT_ERROR, why.bytes(), None);
    } else {
        let mount = Fd(end.result as i32);
        send(socket, sync::MOUNT_FD, b"", Some(mount));
        mount.close();
    }
    Fd(end.kept as i32).close();
}

/// Says why a list has failed.
pub fn explain(text: &mut Buf, list: &List, end: &End) {
    let Some(call) = list.text(end.text) else {
        return text.push(hook_tree::TreeError::BadCalls.bytes());
    };
    text.push_text(call);
    if end.result != hook_tree::calls::NO_ERRNO {
        push_errno(text, Errno(-end.result as i32));
    }
    // A file system explains its refusals in the context that was kept: a letter, a blank, and the text.
    let mut message = Buf::new();
    if !message.read_from(Fd(end.kept as i32), 256).is_err() {
        text.push(b":");
        text.push(message.from(1).trim_ascii_end());
    }
}
