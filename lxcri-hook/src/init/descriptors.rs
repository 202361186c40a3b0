//! The descriptors that the runtime hands to init: the console, preserved ones, and ones to keep until execve.

use crate::fail::{self, OrDie, die};
use crate::sys::{self, Fd, STDIO};
use hook_tree::{Settings, sync};

/// The first descriptor after stdio.
const FIRST: usize = STDIO.len();

/// Arranged descriptors: preserved ones from 3 on, everything else above them. All are close-on-exec, so that hooks
/// get none; the ones that are only kept live until the process executes.
pub struct Descriptors {
    /// The slave side of the console, or what is to be stdin, stdout and stderr.
    pub stdio: Stdio,
    /// What holds the mount point /.lxcri in the root file system.
    holder: Option<Fd>,
    preserved: usize,
}

/// What becomes of stdio. LXC's own is never the container's: LXC writes messages to it.
#[derive(Clone, Copy)]
pub enum Stdio {
    /// It stays as it is.
    Keep,
    /// The slave side of a console becomes all of it.
    Console(Fd),
    /// Each gets a descriptor of its own.
    Three([Fd; STDIO.len()]),
}

impl Descriptors {
    /// Moves what came with the runtime's answer to its places, and `guest` out of their way.
    pub fn arrange(guest: &mut Fd, payload: &[u8], received: &mut [Fd]) -> Descriptors {
        let (kind, preserved) = match *payload {
            [kind, preserved, ..] => (kind, usize::from(preserved)),
            _ => malformed(),
        };
        // Two rounds: nothing may sit where a preserved descriptor is put before all have left these numbers.
        if preserved > 0 {
            for fd in received.iter_mut().chain([guest]) {
                let moved = sys::duplicate_above(*fd, FIRST + preserved);
                fd.close();
                *fd = moved.or_die(fail::SYSTEM, b"fcntl", b"F_DUPFD_CLOEXEC");
            }
        }
        let mut rest = received.iter().copied();
        let mut next = || rest.next().unwrap_or_else(|| malformed());
        let stdio = match kind {
            sync::STDIO_KEPT => Stdio::Keep,
            sync::STDIO_CONSOLE => Stdio::Console(next()),
            sync::STDIO_THREE => Stdio::Three([next(), next(), next()]),
            _ => malformed(),
        };
        for place in 0..preserved {
            let fd = next();
            sys::duplicate_to(fd, FIRST + place, true).or_die(fail::SYSTEM, b"dup3", b"");
            fd.close();
        }
        Descriptors {
            stdio,
            holder: rest.next(),
            preserved,
        }
    }

    /// Lets go of the mount point, once nothing is mounted there any more. Not left to `execve`, which closes descriptors
    /// in an order of its own: `start` removes the directory as soon as it hears that the program is executed.
    pub fn release_mount_point(&self) {
        if let Some(holder) = self.holder {
            holder.close();
        }
    }

    /// Lets the preserved descriptors, and no other above stdio, through `execve`.
    pub fn release(&self, settings: &Settings) {
        if settings.preserve.unwrap_or(0) as usize != self.preserved {
            malformed();
        }
        for place in 0..self.preserved {
            sys::keep_on_exec(FIRST + place).or_die(fail::SETTING, b"fcntl", b"F_SETFD");
        }
        sys::close_on_exec_from(FIRST + self.preserved).or_die(fail::SETTING, b"close_range", b"");
    }
}

/// Ends the launcher: payload, descriptors and settings contradict each other.
#[cold]
pub fn malformed() -> ! {
    let why = b"the runtime's descriptors and the settings of init contradict each other";
    die(fail::SYNC_UNEXPECTED, &[why])
}
