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
/// Launcher to runtime: a piece of a record line, at most [`PIECE`] bytes; a line ends with a newline.
pub const RECORD_PIECE: u8 = b'R';
/// Launcher to runtime: every hook of the phase succeeded.
pub const PHASE_DONE: u8 = b'D';
/// Launcher to runtime: the phase failed; the payload is the one-line error.
pub const PHASE_FAILED: u8 = b'X';
/// Runtime to launcher: make a superblock. The payload is a row of NUL-ended strings: the type of the file system, its
/// options as `key` or `key=value`, an empty string, and the attributes for `fsmount` in decimal.
pub const MAKE_MOUNT: u8 = b'P';
/// Runtime to launcher: run the phase. The payload is the path of the mounted root file system, without NUL.
pub const RUN_PHASE: u8 = b'C';
/// Runtime to launcher: init may go on. The payload's first byte says what the first descriptors are (`STDIO_…`), its
/// second byte counts the preserved descriptors, which come next; one more may follow, which init keeps
/// open until it has detached [`GUEST_MOUNT`](crate::names::GUEST_MOUNT).
pub const INIT_GO: u8 = b'G';
/// In [`INIT_GO`]: stdio stays as LXC has left it.
pub const STDIO_KEPT: u8 = 0;
/// In [`INIT_GO`]: the first descriptor is the console, and becomes stdin, stdout and stderr.
pub const STDIO_CONSOLE: u8 = 1;
/// In [`INIT_GO`]: the first three descriptors become stdin, stdout and stderr.
pub const STDIO_THREE: u8 = 2;

/// Greatest payload in bytes of one record piece.
pub const PIECE: usize = 4096;
/// Greatest packet in bytes that the launcher accepts.
pub const PACKET_LIMIT: usize = 64 << 10;
