//! The engine's side of a console socket.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use crate::command::{PATIENCE, wait_until};
use crate::sys;

/// The terminal that a runtime sends to the console socket.
///
/// # Panics
/// When nothing comes.
pub fn receive(listener: &UnixListener) -> File {
    listener
        .set_nonblocking(true)
        .unwrap_or_else(|e| panic!("set_nonblocking: {e}"));
    let mut accepted = None;
    wait_until(PATIENCE, || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let Some((stream, _)) = accepted else {
        panic!("nobody connects to the console socket")
    };
    let prepared = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
    prepared.unwrap_or_else(|e| panic!("console socket: {e}"));
    let mut name = [0; 4096];
    let mut space = nix::cmsg_space!([i32; 1]);
    let mut buffers = [IoSliceMut::new(&mut name)];
    let message = recvmsg::<()>(
        stream.as_raw_fd(),
        &mut buffers,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    );
    let message = message.unwrap_or_else(|e| panic!("recvmsg: {e}"));
    let rights = message.cmsgs().into_iter().flatten().find_map(|c| match c {
        ControlMessageOwned::ScmRights(all) => all.first().copied(),
        _ => None,
    });
    match rights {
        Some(number) => sys::own(number),
        None => panic!("the message holds no descriptor"),
    }
}

/// Columns and rows.
pub fn size(terminal: &File) -> (u16, u16) {
    sys::terminal_size(terminal)
}
