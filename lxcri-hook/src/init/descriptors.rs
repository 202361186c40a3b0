//! The descriptors that the runtime hands to init: the console, preserved ones, and ones to keep until execve.

use crate::fail::{self, die};
use crate::sys::{self, Fd};
use hook_tree::{Key, Values, sync};

/// The first descriptor after stdio.
const FIRST: usize = 3;

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
    Three([Fd; FIRST]),
}

impl Descriptors {
    /// Moves what came with the runtime's answer to its places, and `guest` out of their way.
    pub fn arrange(guest: &mut Fd, packet: &[u8], received: &mut [i32]) -> Descriptors {
        let [_, kind, preserved, ..] = *packet else {
            malformed()
        };
        let preserved = usize::from(preserved);
        // Two rounds: nothing may sit where a preserved descriptor is put before all have left these numbers.
        if preserved > 0 {
            *guest = move_above(*guest, FIRST + preserved);
            for number in received.iter_mut() {
                if let Some(fd) = Fd::from_number(*number) {
                    *number = move_above(fd, FIRST + preserved).number();
                }
            }
        }
        let mut rest = received
            .iter()
            .filter_map(|number| Fd::from_number(*number));
        let mut next = || match rest.next() {
            Some(fd) => fd,
            None => malformed(),
        };
        let stdio = match kind {
            sync::STDIO_KEPT => Stdio::Keep,
            sync::STDIO_CONSOLE => Stdio::Console(next()),
            sync::STDIO_THREE => Stdio::Three([next(), next(), next()]),
            _ => malformed(),
        };
        for place in FIRST..FIRST + preserved {
            let fd = next();
            sys::duplicate_to(fd, place).or_die(fail::SYSTEM, text!("dup3"), None);
            fd.close();
            set_close_on_exec(place, true);
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
    pub fn release(&self, settings: &Values) {
        if settings.number(Key::Preserve).unwrap_or(0) != self.preserved as u64 {
            malformed();
        }
        let end = FIRST + self.preserved;
        sys::close_on_exec_from(end).or_die(fail::SETTING, text!("close_range"), None);
        for place in FIRST..end {
            set_close_on_exec(place, false);
        }
    }
}

fn move_above(fd: Fd, least: usize) -> Fd {
    let moved = sys::duplicate_above(fd, least);
    moved.or_die(fail::SYSTEM, text!("fcntl"), None);
    fd.close();
    moved.fd().unwrap_or(fd)
}

fn set_close_on_exec(place: usize, close: bool) {
    sys::set_close_on_exec(place, close).applied(text!("fcntl"), place as u64);
}

/// Ends the launcher: payload, descriptors and settings contradict each other.
#[cold]
pub fn malformed() -> ! {
    let why = text!("the runtime's descriptors and the settings of init contradict each other");
    die(fail::SYNC_UNEXPECTED, why, None)
}
