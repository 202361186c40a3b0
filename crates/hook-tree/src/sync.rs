//! Kinds of packets on the sync socket, the first byte of each packet.
//!
//! The socket is `guest/sync`, `AF_UNIX` and `SOCK_SEQPACKET`. The launcher connects; the runtime listens while it
//! creates a container.

/// Launcher to runtime: the mount hook is here.
pub const MOUNT_READY: u8 = b'M';
/// Launcher to runtime: init is here.
pub const INIT_READY: u8 = b'I';
/// Launcher to runtime: the superblock asked for, one descriptor of a detached mount by `SCM_RIGHTS`.
pub const MOUNT_FD: u8 = b'F';
/// Launcher to runtime: the superblock asked for could not be made; the payload is the error's text.
pub const MOUNT_ERROR: u8 = b'E';
/// Launcher to runtime: every hook of the phase succeeded.
pub const PHASE_DONE: u8 = b'D';
/// Launcher to runtime: the phase failed; the payload is the one-line error.
pub const PHASE_FAILED: u8 = b'X';
/// Runtime to launcher: make a superblock. The whole packet is a [list of system calls](crate::calls); what its last one
/// returns is the descriptor of the mount.
pub const MAKE_MOUNT: u8 = b'P';
/// Runtime to launcher: run the phase. With it comes the descriptor of hooks.jsonl, to which the records go.
pub const RUN_PHASE: u8 = b'C';
/// Runtime to launcher: init may wait for its start. The descriptors that come with it are the container process's:
/// their numbers are known, see [`FIRST_RECEIVED`].
pub const INIT_GO: u8 = b'G';

/// The number that the first descriptor of [`INIT_GO`] gets in init; the others follow. Init has nothing open then but
/// stdio, the guest directory and the socket.
pub const FIRST_RECEIVED: u32 = 5;

/// Greatest packet in bytes that the launcher accepts.
pub const PACKET_LIMIT: usize = 64 << 10;
