//! The descriptors that the runtime hands to init: the console, preserved ones, and ones to keep until execve.

use crate::dir::Dir;
use crate::fail::{self, Failure, Result};
use crate::sys::{self, Fd, Received};
use hook_tree::Settings;

/// The first descriptor after stdio.
const FIRST: usize = 3;

/// Arranged descriptors: preserved ones from 3 on, everything else above them. All are close-on-exec, so that hooks
/// get none; the ones that are only kept live as long as the process does not execute.
pub struct Descriptors {
    /// The slave side of the console.
    pub console: Option<Fd>,
    preserved: usize,
}

impl Descriptors {
    /// Moves what came with the runtime's answer to its places, and `guest` out of their way.
    pub fn arrange(
        guest: &mut Dir,
        payload: &[u8],
        received: &mut Received,
    ) -> Result<Descriptors> {
        let malformed = || {
            Failure::new(
                fail::SYNC_UNEXPECTED,
                &[b"malformed answer of the runtime to init"],
            )
        };
        let &[console_flag @ (0 | 1), preserved, ..] = payload else {
            return Err(malformed());
        };
        let (console_flag, preserved) = (usize::from(console_flag), usize::from(preserved));
        if received.count() < console_flag + preserved {
            return Err(malformed());
        }
        let failed = || Failure::call(fail::SYSTEM, b"fcntl");
        let above = FIRST + preserved;
        let mut console = None;
        // Two rounds: nothing may sit where a preserved descriptor is put before all have left these numbers.
        if preserved > 0 {
            guest.set_fd(sys::duplicate_above(guest.fd(), above).map_err(failed())?);
            for slot in received.slots() {
                if let Some(fd) = slot.take() {
                    *slot = Some(sys::duplicate_above(&fd, above).map_err(failed())?);
                }
            }
        }
        for (index, fd) in received.drain().enumerate() {
            match index.checked_sub(console_flag) {
                None => console = Some(fd),
                Some(place) if place < preserved => {
                    sys::duplicate_to(&fd, FIRST + place, true)
                        .map_err(Failure::call(fail::SYSTEM, b"dup3"))?;
                }
                Some(_) => {
                    fd.leak();
                }
            }
        }
        Ok(Descriptors { console, preserved })
    }

    /// Lets the preserved descriptors, and no other above stdio, through `execve`.
    pub fn release(self, settings: &Settings) -> Result<()> {
        if settings.preserve.unwrap_or(0) as usize != self.preserved {
            return Err(Failure::new(fail::SYNC_UNEXPECTED, &[
                b"the runtime passed another number of preserved descriptors than the settings say",
            ]));
        }
        for place in 0..self.preserved {
            sys::keep_on_exec(FIRST + place).map_err(Failure::call(fail::SETTING, b"fcntl"))?;
        }
        sys::close_on_exec_from(FIRST + self.preserved)
            .map_err(Failure::call(fail::SETTING, b"close_range"))
    }
}
