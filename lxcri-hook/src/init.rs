//! `init`: waits for `start`, runs the startContainer hooks, and becomes the container process.

use crate::errno::Errno;
use crate::fail::{self, finish};
use crate::sys::{self, Buf, List, open};
use crate::tree::Tree;
use crate::{report, sync};
use hook_tree::{TreeError, names};

/// Runs init. Once the FIFO is open, failures are written there for whoever called `start`.
///
/// The list of system calls names descriptors by their numbers: the directory is 3, the socket 4, what the runtime hands
/// over follows, and then the FIFO ([`hook_tree::sync::FIRST_RECEIVED`]). So nothing else is opened or closed before.
pub fn run(tree: &mut Tree) -> ! {
    // A hook of the image must not reach the launcher's memory or, through /proc/1/exe, its file (CVE-2019-5736).
    sys::set_undumpable().or_die(failure!(fail::SYSTEM, "prctl(PR_SET_DUMPABLE)"));
    let socket = sync::connect(tree, tree.fd, hook_tree::sync::INIT_READY);
    let mut packet = List::for_packets();
    sync::receive(socket, &mut packet);
    if packet.kind() != hook_tree::sync::INIT_GO {
        sync::unexpected(&packet);
    }
    // All mounts are made. Nobody who is put into the container finds the FIFO, and `start` need not wait for the kernel. If it
    // cannot be done now, the list does it, and says why it cannot.
    let _ = sys::detach(text!("/.lxcri"));
    // Waits until `start` opens the other end.
    tree.at(names::SYNCFIFO.as_bytes());
    let Some(fifo) = tree.get(open::WRITE) else {
        tree.failed(Errno::ENOENT)
    };
    report::FIFO.attend(fifo);
    report::RECORDS.attend(fifo);
    tree.at(b"init/calls");
    let Some(file) = tree.file() else {
        tree.failed(Errno::ENOENT)
    };
    let list = packet.replace(file);
    let end = list.carry_out(Some(tree));
    if list.text(end.text).is_none() {
        tree.at(b"init/calls");
        tree.defect(TreeError::BadCalls);
    }
    let mut text = Buf::new();
    sync::explain(&mut text, &list, &end);
    finish(end.code as u8, &text)
}
