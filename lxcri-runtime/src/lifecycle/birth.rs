//! The time between `lxc-start` and a container that waits for its start: who reports when, and what is done then.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use hook_tree::sync as kind;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::ahead;
use crate::cgroup::Cgroup;
use crate::console::{self, Terminal};
use crate::interrupts;
use crate::lxc::gate::Waiting;
use crate::lxc::tools::{self, Lxc, Monitor};
use crate::maker::Maker;
use crate::mountpoint::{self, MountPoint};
use crate::mounts::{Engine, Host, Sources};
use crate::prepare::Prepared;
use crate::process::{self, Process};
use crate::records::Records;
use crate::request::Runtime;
use crate::request::Terminals;
use crate::spec::Namespace;
use crate::store::Container;
use crate::sync::{Listener, PATIENCE, Peer};

/// How often it is looked whether LXC still makes progress.
const LOOK: Duration = Duration::from_millis(100);

/// How long a hook that must be ended is waited for before it is looked for again.
const PAUSE: Duration = Duration::from_millis(5);

/// A container that LXC is making. Dropping it ends `lxc-start`, and with it an init that has not reported.
pub struct Birth<'a> {
    container: &'a Container,
    listener: Listener,
    lxc: Monitor,
    sources: Option<Sources>,
    mount_hook: Option<Peer>,
    engine: Option<Engine>,
    /// What lies under the guest directory.
    place: Option<OwnedFd>,
    init: Option<Peer>,
}

impl<'a> Birth<'a> {
    /// Starts LXC in the container's cgroup and in `namespaces`, which are those that were made ahead; that which waits, if it
    /// does.
    pub fn begin(
        runtime: &Runtime,
        container: &'a Container,
        prepared: &Prepared,
        cgroup: &Cgroup,
        listener: Listener,
        mut namespaces: ahead::Open,
        waiting: Option<Waiting>,
    ) -> Result<Self> {
        namespaces.extend(tools::open_namespaces(&prepared.namespaces)?);
        let locks = match prepared.joined_root() {
            Some(root) => Some(tools::let_in(container, root)?),
            None => None,
        };
        let birth = tools::Birth {
            cgroup: cgroup.dir_fd().context("enter cgroup")?,
            tasks: cgroup.entrance_fds(true).context("enter cgroup")?,
            namespaces,
            // In a user namespace the cover could not be taken away again.
            as_shell: (prepared.namespaces.user == Namespace::Inherited)
                .then(|| prepared.launcher.clone()),
            locks,
        };
        let lxc = match waiting.and_then(|waiting| waiting.open(container, &birth)) {
            Some(lxc) => lxc,
            None => Lxc::find()?.start(container, &runtime.root, &birth)?,
        };
        Ok(Birth {
            container,
            listener,
            lxc,
            sources: None,
            mount_hook: None,
            engine: None,
            place: None,
            init: None,
        })
    }

    /// While LXC starts: opens what the container needs of the host, which the runtime's mount namespace still shows.
    pub fn open_sources(&mut self, prepared: &Prepared, cgroup: &Cgroup) -> Result<()> {
        // Hooks may look for what is covered for LXC, and enter the container's mount namespace to do so.
        let before_pivot = prepared.has_hooks_before_pivot();
        let host = Host {
            bundle: &prepared.bundle,
            own_cgroups: &prepared.own_cgroups(cgroup),
            guest: &self.container.file(hook_tree::names::GUEST),
            launcher: &prepared.launcher,
            covered: before_pivot.then_some(Path::new(tools::SHELL)),
        };
        self.sources = Some(Sources::open(&prepared.mounts, &host)?);
        if let (false, Some(owner)) = (prepared.terminal, prepared.owner) {
            console::give_stdio(owner);
        }
        Ok(())
    }

    /// Waits for the launcher in the mount hook and returns init, which is its parent.
    pub fn mount_hook(&mut self) -> Result<Process> {
        let monitor = self.lxc.pid;
        let mut init = None;
        let peer = self.accept(|pid| {
            init = init_of(pid, monitor);
            init.is_some()
        })?;
        peer.expect(kind::MOUNT_READY, Instant::now() + PATIENCE)?;
        self.mount_hook = Some(peer);
        init.context("init ended before its time")
    }

    /// Makes the mounts and, where the process gets one, the terminal. Runs `beside` while the mounts are made.
    pub fn make_mounts(
        &mut self,
        init: Process,
        prepared: &Prepared,
        beside: impl FnOnce() -> Result<()>,
    ) -> Result<Option<Terminal>> {
        let peer = self
            .mount_hook
            .as_ref()
            .context("no launcher in the mount hook")?;
        let path = format!("/proc/{}/ns/mnt", init.pid);
        let namespace: OwnedFd = File::open(&path)
            .with_context(|| format!("open {path}"))?
            .into();
        let sources = self.sources.take().context("no sources")?;
        let mut engine = Engine::new(
            prepared.mounts.clone(),
            sources,
            namespace,
            prepared.rootfs.clone(),
            true,
            self.container.file(tools::ASIDE),
        );
        engine.make_mounts(&mut Maker::new(peer), beside)??;
        let terminal = match prepared.terminal {
            true => {
                let pty = engine.open_pty().context("/process/terminal")?;
                Some(Terminal::new(
                    pty.master,
                    pty.slave,
                    prepared.console_size,
                    prepared.owner,
                )?)
            }
            false => None,
        };
        self.place = engine.take_place();
        self.engine = Some(engine);
        Ok(terminal)
    }

    /// Lets the launcher run the createContainer hooks and go away.
    pub fn create_container_hooks(&mut self, records: &Records) -> Result<()> {
        let peer = self
            .mount_hook
            .take()
            .context("no launcher in the mount hook")?;
        // Through a descriptor, because the container's root may not be able to reach the file.
        let log = records.file();
        let fds: Vec<RawFd> = log.iter().map(AsRawFd::as_raw_fd).collect();
        let answer = records.added_by_others(|| {
            peer.send(kind::RUN_PHASE, &[], &fds)?;
            // A hook may take as long as its timeout allows; the launcher's end is noticed at once.
            let interrupted = process::wait_unless(peer.as_fd(), interrupts::fd());
            if interrupted.context("wait for the createContainer hooks")? {
                end_hook(&peer)?;
            }
            peer.receive(None)
        })?;
        match answer {
            Some(packet) if packet.kind == kind::PHASE_DONE => Ok(()),
            Some(packet) if packet.kind == kind::PHASE_FAILED => {
                bail!("{}", String::from_utf8_lossy(&packet.payload).trim_end())
            }
            Some(packet) => bail!(
                "the launcher sent {:?} in the place of an outcome",
                packet.kind as char
            ),
            None => bail!("the launcher ended while it ran the createContainer hooks"),
        }
    }

    /// Waits for init to report after the pivot, finishes the mounts, ends LXC's monitor.
    pub fn init_reported(&mut self, init: Process) -> Result<()> {
        let mut engine = self.engine.take().context("no mounts")?;
        engine.finish(|begin| {
            let peer = self.accept(|pid| pid == init.pid)?;
            peer.expect(kind::INIT_READY, Instant::now() + PATIENCE)?;
            self.init = Some(peer);
            // First, because the end of lxc-start keeps a processor busy for as long as all that remains to be done.
            begin.now();
            // All that is left of LXC's work is to wait for the container's end, and that is the engine's. It ends while
            // the mounts are finished.
            self.lxc.kill()
        })?;
        Ok(())
    }

    /// Waits until LXC is gone: its memory no longer counts, and init has become a child of the nearest subreaper.
    pub fn lxc_gone(&mut self) -> Result<()> {
        self.lxc.wait()
    }

    /// What is left when init waits for its start.
    pub fn into_monitor(self) -> Monitor {
        self.lxc
    }

    /// Lets init wait for its start, with everything that it needs until then.
    pub fn release_init(
        &self,
        terminal: Option<Terminal>,
        preserved: &[OwnedFd],
        mountpoint: &MountPoint,
    ) -> Result<()> {
        let peer = self.init.as_ref().context("init has not reported")?;
        // Not inherited through LXC, which writes messages of its own to stderr.
        let mut fds: Vec<RawFd> = preserved.iter().map(AsRawFd::as_raw_fd).collect();
        match &terminal {
            Some(terminal) => fds.push(terminal.slave.as_raw_fd()),
            None => fds.extend([0, 1, 2]),
        }
        let place = self.place.as_ref().context("no mounts")?;
        let lock = mountpoint::inside(mountpoint, place)?;
        fds.push(lock.as_raw_fd());
        peer.send(kind::INIT_GO, &[], &fds)
    }

    /// Accepts a launcher, as long as LXC makes progress.
    ///
    /// In a container with a user namespace its root may connect to the socket, too: only who must come is believed.
    fn accept(&mut self, mut expected: impl FnMut(i32) -> bool) -> Result<Peer> {
        let pid = self.lxc.pid;
        let end = Instant::now() + PATIENCE;
        let mut zombies = 0;
        loop {
            let mut fds = [
                PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.lxc.as_fd(), PollFlags::POLLIN),
            ];
            let timeout = PollTimeout::from(LOOK.as_millis() as u16);
            match poll(&mut fds, timeout) {
                Err(nix::errno::Errno::EINTR) => continue,
                Err(e) => return Err(anyhow!(e)).context("poll(sync socket)"),
                Ok(_) => {}
            }
            if fds[0].any().unwrap_or(false) {
                let peer = self.listener.accept()?;
                if expected(peer.pid) {
                    return Ok(peer);
                }
                log::warn!("process {} does not belong at the sync socket", peer.pid);
                continue;
            }
            // LXC may wait for ever for a child that has failed in its set-up, so its end alone is not enough.
            zombies = if has_only_zombies(pid) {
                zombies + 1
            } else {
                0
            };
            if fds[1].any().unwrap_or(false) || zombies > 1 {
                bail!("lxc-start failed: {}", tools::messages(self.container));
            }
            interrupts::check("lxc-start had made no container yet")?;
            if Instant::now() >= end {
                bail!(
                    "lxc-start made no container within {} s: {}",
                    PATIENCE.as_secs(),
                    tools::messages(self.container)
                );
            }
        }
    }
}

/// Ends the createContainer hook that runs, so that the launcher reports it.
fn end_hook(peer: &Peer) -> Result<()> {
    if !interrupts::take() {
        return Ok(());
    }
    let end = Instant::now() + PATIENCE;
    // Between two hooks there is none.
    while !process::end_all(process::children(peer.pid)).context("end the createContainer hook")?
        && !process::wait_readable(peer.as_fd(), Instant::now() + PAUSE)?
    {
        if Instant::now() >= end {
            bail!("the launcher runs createContainer hooks, but none is found");
        }
    }
    Ok(())
}

/// The init of the container whose mount hook the launcher is: its parent, if that descends from LXC's monitor. Where
/// namespaces are joined, a process of LXC's lies in between.
fn init_of(launcher: i32, monitor: i32) -> Option<Process> {
    let pid = process::stat(launcher)?.parent;
    let stat = process::stat(pid)?;
    std::iter::successors(Some(stat), |s| process::stat(s.parent))
        .take(5)
        .any(|s| s.parent == monitor)
        .then_some(Process {
            pid,
            start_time: stat.start_time,
        })
}

/// Whether a process has children and all of them have ended without being waited for.
fn has_only_zombies(pid: i32) -> bool {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<i32> = text
        .split_ascii_whitespace()
        .filter_map(|c| c.parse().ok())
        .collect();
    !children.is_empty()
        && children
            .iter()
            .all(|&c| process::stat(c).is_none_or(|s| s.state == 'Z'))
}

/// Gives the master of the terminal to whoever serves it. Returns it if that is this program.
pub fn hand_over(terminal: Option<&Terminal>, terminals: &Terminals) -> Result<Option<OwnedFd>> {
    match (terminal, terminals) {
        (None, _) | (Some(_), Terminals::None) => Ok(None),
        (Some(terminal), Terminals::Socket(path)) => {
            console::send_master(path, &terminal.master).map(|()| None)
        }
        (Some(terminal), Terminals::Own) => terminal
            .master
            .try_clone()
            .map(Some)
            .context("dup the master of the terminal"),
    }
}
