//! A new superblock, made with the new mount API.

use std::os::raw::c_uint;

use hook_tree::sync;

use crate::Error;
use crate::list::{Argument, List};

/// What is to be mounted. The last call of its list returns the descriptor of the detached mount; the context, which
/// explains a failure, is kept.
#[derive(Clone, Copy, Debug)]
pub struct Superblock<'a> {
    /// Type of the file system.
    pub fstype: &'a str,
    /// Its options, as `key` or `key=value`, in order.
    pub options: &'a [&'a str],
    /// `MOUNT_ATTR_*`.
    pub attributes: u64,
}

impl Superblock<'_> {
    /// The packet that asks the launcher for it.
    ///
    /// # Errors
    /// [`Error::InnerNul`], or [`Error::TooLarge`] for more than a packet holds.
    pub fn packet(&self) -> Result<Vec<u8>, Error> {
        // The launcher answers a failure and goes on, so no code is ever used.
        let mut list = List::new(0);
        let fstype = list.string(self.fstype.as_bytes())?;
        let arguments = [fstype.into(), libc::FSOPEN_CLOEXEC.into()];
        list.call(
            libc::SYS_fsopen,
            &arguments,
            format!("fsopen({})", self.fstype),
        )
        .keep();
        for option in self.options {
            self.option(&mut list, option)?;
        }
        let create = [Argument::Kept, libc::FSCONFIG_CMD_CREATE.into()];
        list.call(
            libc::SYS_fsconfig,
            &create,
            format!("fsconfig({})", self.fstype),
        );
        let mount = [
            Argument::Kept,
            libc::FSMOUNT_CLOEXEC.into(),
            self.attributes.into(),
        ];
        list.call(
            libc::SYS_fsmount,
            &mount,
            format!("fsmount({})", self.fstype),
        );
        let packet = list.finish()?;
        if packet.len() > sync::PACKET_LIMIT {
            return Err(Error::TooLarge);
        }
        Ok(packet)
    }

    fn option(&self, list: &mut List, option: &str) -> Result<(), Error> {
        let (command, key, value): (c_uint, _, _) = match option.split_once('=') {
            None => (libc::FSCONFIG_SET_FLAG, option, None),
            Some((key, value)) => (libc::FSCONFIG_SET_STRING, key, Some(value)),
        };
        let key = list.string(key.as_bytes())?;
        let value = match value {
            None => Argument::Number(0),
            Some(value) => list.string(value.as_bytes())?.into(),
        };
        let text = format!("fsconfig({}, {option})", self.fstype);
        let arguments = [Argument::Kept, command.into(), key.into(), value];
        list.call(libc::SYS_fsconfig, &arguments, text);
        Ok(())
    }
}
