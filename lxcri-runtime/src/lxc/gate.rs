//! An `lxc-start` that is executed before there is a container, and waits for it.
//!
//! What the dynamic linker does for LXC takes a millisecond; here it is done while the bundle is checked. The waiting is that of
//! the library `lxc-gate`, which lies beside the launcher.

use std::ffi::OsString;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use lxc_entry::gate::{Counts, READY};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, sendmsg, socketpair,
};

use super::tools::{Birth, How, Lxc, Monitor};
use crate::process;
use crate::store::Container;
use crate::sync::PATIENCE;
use crate::{errors, launcher};

/// Name of the library.
const LIBRARY: &str = "liblxc_gate.so";

/// An `lxc-start` that waits. Dropping it ends it.
pub struct Waiting {
    socket: OwnedFd,
    lxc: Monitor,
}

impl Waiting {
    /// Executes `lxc-start`. Nothing when that cannot be done: what is missing is reported when it is needed.
    pub fn begin(container: &Container, root: &Path) -> Option<Waiting> {
        let launcher = launcher::find().ok()?;
        let library = launcher.with_file_name(LIBRARY);
        // ld.so(8) separates libraries by these.
        let name = library.to_str().filter(|n| !n.contains([' ', ':', '$']))?;
        if !library.is_file() {
            return None;
        }
        let variable = OsString::from(format!("LD_PRELOAD={name}"));
        let (socket, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .ok()?;
        let how = How {
            variables: &[variable],
            as_shell: Some(&launcher),
            cgroup: None,
            entry: None,
            socket: Some(theirs.as_fd()),
        };
        let lxc = Lxc::find().ok()?.execute(container, root, &how).ok()?;
        Some(Waiting { socket, lxc })
    }

    /// Waits until it waits. Nothing when it does not: then it has not been held and has ended, or is ended.
    ///
    /// No LXC configuration may lie in the container's directory before.
    pub fn ready(self) -> Option<Waiting> {
        let mut said = [0; READY.len()];
        match self.receive(&mut said) {
            Ok(()) if said == READY => Some(self),
            Ok(()) => {
                log::debug!("lxc-start does not wait: {LIBRARY} is of another version");
                None
            }
            Err(error) => {
                log::debug!("lxc-start does not wait: {}", errors::one_line(&error));
                None
            }
        }
    }

    /// Lets it enter what the container has, and start. Nothing when something fails: whoever starts another one learns what.
    pub fn open(self, container: &Container, birth: &Birth) -> Option<Monitor> {
        match self.send(container, birth) {
            Ok(monitor) => {
                log::debug!("lxc-start {} was held until now", monitor.pid);
                Some(monitor)
            }
            Err(error) => {
                log::debug!("lxc-start is executed anew: {}", errors::one_line(&error));
                None
            }
        }
    }

    fn send(self, container: &Container, birth: &Birth) -> Result<Monitor> {
        birth.entry(container, |entry| {
            let counts = Counts {
                cgroups: birth.cgroup.iter().len(),
                tasks: entry.tasks.len(),
                namespaces: entry.namespaces.len(),
            };
            let packet = counts.packet().context("too many cgroups")?;
            let fds: Vec<RawFd> = [entry.directory]
                .into_iter()
                .chain(birth.cgroup.as_ref().map(AsRawFd::as_raw_fd))
                .chain(entry.tasks.iter().copied())
                .chain(entry.namespaces.iter().map(|(fd, _)| *fd))
                .collect();
            let rights = [ControlMessage::ScmRights(&fds)];
            let socket = self.socket.as_raw_fd();
            sendmsg::<()>(
                socket,
                &[IoSlice::new(&packet)],
                &rights,
                MsgFlags::MSG_NOSIGNAL,
                None,
            )
            .context("send to lxc-start")
        })??;
        let mut pid = [0; 4];
        self.receive(&mut pid)?;
        self.lxc.replaced_by(i32::from_ne_bytes(pid))
    }

    /// Receives a packet of this length.
    fn receive(&self, bytes: &mut [u8]) -> Result<()> {
        if !process::wait_readable(self.socket.as_fd(), Instant::now() + PATIENCE)
            .context("wait for lxc-start")?
        {
            bail!("it does not answer");
        }
        loop {
            match recv(self.socket.as_raw_fd(), bytes, MsgFlags::empty()) {
                Ok(length) if length == bytes.len() => return Ok(()),
                Ok(_) => bail!("it has ended"),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e).context("receive from lxc-start"),
            }
        }
    }
}
