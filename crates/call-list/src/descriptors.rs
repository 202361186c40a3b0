//! What init does with descriptors: those of the guest directory, of stdio, the preserved ones, the FIFO.

use hook_tree::{names, sync};

use crate::Error;
use crate::list::List;
use crate::process::{Process, Stdio};

impl Process {
    /// The number of the first descriptor for stdio.
    fn first_stdio(&self) -> u32 {
        sync::FIRST_RECEIVED + self.preserve
    }

    /// The number of the one that holds the mount point.
    fn holder(&self) -> u32 {
        self.first_stdio()
            + match self.stdio {
                Stdio::Keep => 0,
                Stdio::Terminal => 1,
                Stdio::Three => 3,
            }
    }

    /// Detaches /.lxcri, unless the launcher has done so: neither hooks nor the program see anything there. Then lets go of the
    /// mount point, and not only at execve, which closes descriptors in an order of its own: `start` removes the directory as
    /// soon as it hears that the program is executed.
    pub(crate) fn leave_guest(&self, list: &mut List) -> Result<(), Error> {
        let path = list.string(names::GUEST_MOUNT.as_bytes())?;
        let flags = libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW;
        let text = format!("umount2({})", names::GUEST_MOUNT);
        // Nothing is mounted there, or nothing is there.
        list.call(libc::SYS_umount2, &[path.into(), flags.into()], text)
            .tolerate(&[libc::EINVAL, libc::ENOENT]);
        let holder = self.holder();
        list.call(
            libc::SYS_close,
            &[holder.into()],
            format!("close({holder})"),
        );
        Ok(())
    }

    /// Session and stdio, which the startContainer hooks already belong to.
    pub(crate) fn take_session(&self, list: &mut List) {
        if self.session || self.stdio == Stdio::Terminal {
            // Where LXC has already made one.
            let call = list.call(libc::SYS_setsid, &[], "setsid()");
            call.tolerate(&[libc::EPERM]);
        }
        let first = self.first_stdio();
        if self.stdio == Stdio::Terminal {
            let arguments = [first.into(), libc::TIOCSCTTY.into(), 0.into()];
            list.call(libc::SYS_ioctl, &arguments, "ioctl(TIOCSCTTY)");
        }
        for number in 0..3 {
            match self.stdio {
                Stdio::Keep => {}
                Stdio::Terminal => duplicate(list, first, number),
                Stdio::Three => duplicate(list, first + number, number),
            }
        }
    }

    /// Puts the preserved descriptors from 3 on, where the launcher's own were, and lets no other through execve.
    pub(crate) fn arrange_descriptors(&self, list: &mut List) {
        for number in 0..self.preserve {
            duplicate(list, sync::FIRST_RECEIVED + number, 3 + number);
        }
        let first = 3 + self.preserve;
        let arguments = [
            first.into(),
            u32::MAX.into(),
            libc::CLOSE_RANGE_CLOEXEC.into(),
        ];
        let text = format!("close_range({first}, CLOSE_RANGE_CLOEXEC)");
        list.call(libc::SYS_close_range, &arguments, text);
    }

    /// Says that the program is executed next; what fails after that is still said. Without it, `start` could not tell a
    /// program that was executed from an init that was killed just now.
    pub(crate) fn tell_start(&self, list: &mut List) {
        let fifo = self.holder() + 1;
        let line = list.bytes(b">\n");
        list.call(
            libc::SYS_write,
            &[fifo.into(), line.into(), 2.into()],
            format!("write({})", names::SYNCFIFO),
        );
    }
}

/// dup3(2) without O_CLOEXEC.
fn duplicate(list: &mut List, from: u32, to: u32) {
    let arguments = [from.into(), to.into(), 0.into()];
    list.call(libc::SYS_dup3, &arguments, format!("dup3({from}, {to})"));
}
