//! Carries out a plan in the container's mount namespace.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sched::CloneFlags;
use nix::sys::statfs::TMPFS_MAGIC;

use super::SuperblockMaker;
use super::attach::{self, Standing};
use super::console::{self, Pty};
use super::error::{CallError, Error};
use super::finish;
use super::guest;
use super::identity::Identity;
use super::kernel;
use super::nodes;
use super::plan::MountPlan;
use super::resolve::Root;
use super::sources::{CGROUP_ROOT, Sources, identity};
use super::steps::{PropagationKind, Step};
use super::sys;
use super::thread::{in_thread, in_thread_beside};
use super::work::Work;

/// Carries out a plan. Each method works in a thread of its own that joins the container's mount namespace and leaves
/// the caller's alone; it returns when that thread has ended.
#[derive(Debug)]
pub struct Engine {
    namespace: OwnedFd,
    identity: Option<Identity>,
    work: Work,
}

impl Engine {
    /// `namespace` is the container's mount namespace (/proc/INIT/ns/mnt), `rootfs` the path at which LXC has mounted
    /// the rootfs there (`lxc.rootfs.mount`). `lxc_dev` says that the LXC configuration mounts a tmpfs on /dev for LXC
    /// itself: LXC opens /dev before the mount hook and makes symlinks in it afterwards, and without a /dev it fails.
    /// The engine takes that tmpfs away, so that they end up in neither the image nor the container. `aside` is a directory
    /// outside of the rootfs, where it may stay until the pivot.
    pub fn new(
        plan: MountPlan,
        sources: Sources,
        namespace: OwnedFd,
        rootfs: PathBuf,
        lxc_dev: bool,
        aside: PathBuf,
    ) -> Self {
        Self {
            namespace,
            identity: plan.identity,
            work: Work {
                plan,
                sources,
                rootfs,
                lxc_dev,
                aside,
                root: None,
                place: None,
                standing: Vec::new(),
                null: None,
            },
        }
    }

    /// At the rendezvous: uncovers /sys/fs/cgroup, makes all mounts, devices and links, and mounts the guest directory.
    /// Runs `beside` meanwhile.
    ///
    /// # Errors
    /// The first step that failed. What was mounted so far goes away with the namespace.
    pub fn make_mounts<B>(
        &mut self,
        maker: &mut dyn SuperblockMaker,
        beside: impl FnOnce() -> B,
    ) -> Result<B, Error> {
        let work = &mut self.work;
        // Made while the thread begins.
        maker.announce(
            work.plan
                .steps
                .iter()
                .filter_map(attach::known_request)
                .collect(),
        );
        in_thread_beside(
            &[(self.namespace.as_fd(), CloneFlags::CLONE_NEWNS)],
            self.identity,
            || work.make(maker),
            beside,
        )
        .map(|((), other)| other)
    }

    /// After [`make_mounts`](Self::make_mounts), once: the directory over which the guest directory is mounted, O_PATH, as the
    /// container's own mount shows it.
    pub fn take_place(&mut self) -> Option<OwnedFd> {
        self.work.place.take()
    }

    /// After [`make_mounts`](Self::make_mounts): opens a pty in the container's devpts and mounts it on /dev/console.
    ///
    /// # Errors
    /// There is no devpts at /dev/pts, or a system call failed.
    pub fn open_pty(&mut self) -> Result<Pty, Error> {
        let work = &mut self.work;
        in_thread(
            &[(self.namespace.as_fd(), CloneFlags::CLONE_NEWNS)],
            self.identity,
            || {
                let root = work.root()?;
                let pty = console::open_pty(root)?;
                console::attach(root, pty.slave.as_fd())
                    .map_err(|error| error.during("cannot mount /dev/console"))?;
                Ok(pty)
            },
        )
    }

    /// After the pivot, when init has reported and before it may go on: undoes LXC's `MS_REC|MS_SHARED`, makes the working
    /// directory, and then what is to be read-only or masked.
    ///
    /// `ready` waits for that moment and says so by [`Begin::now`]. Meanwhile the thread joins the namespace, and what LXC does
    /// not need is covered already.
    ///
    /// # Errors
    /// The first thing that failed.
    pub fn finish<E: From<Error>>(
        &mut self,
        ready: impl FnOnce(Begin) -> Result<(), E>,
    ) -> Result<(), E> {
        let work = &mut self.work;
        let (begin, wait) = mpsc::channel();
        let ((), is_ready) = in_thread_beside(
            &[(self.namespace.as_fd(), CloneFlags::CLONE_NEWNS)],
            self.identity,
            move || {
                let early = finish::may_cover_early(&work.plan);
                if early {
                    finish::cover(work)?;
                }
                match wait.recv() {
                    Ok(()) => finish::settle(work)?,
                    Err(_) => return Ok(()),
                }
                if early {
                    return Ok(());
                }
                finish::cover(work)
            },
            move || ready(Begin(begin)),
        )?;
        is_ready
    }
}

/// Lets a thread that waits begin. Without a word it ends as soon as this is gone.
#[derive(Debug)]
pub struct Begin(mpsc::Sender<()>);

impl Begin {
    /// The moment has come.
    pub fn now(self) {
        // If the thread is gone, its error is about to be told.
        let _ = self.0.send(());
    }
}

impl Work {
    fn make(&mut self, maker: &mut dyn SuperblockMaker) -> Result<(), Error> {
        self.uncover_cgroups()
            .map_err(|error| error.during(format!("cannot uncover {CGROUP_ROOT}")))?;
        self.uncover_file()?;
        let root = Root::open(&self.rootfs)?;
        if self.lxc_dev {
            self.remove_lxc_dev(&root)?;
        }
        // The mounts to come have their own propagation, so this must be said before them.
        if let Some(found) = self.plan.root_propagation
            && found.kind == PropagationKind::Private
        {
            sys::set_propagation(&root, found.kind, found.recursive, "rootfs")?;
        }
        for (at, step) in self.plan.steps.iter().enumerate() {
            let made = match step {
                Step::Mount(mount) => {
                    let tree = self.sources.binds.remove(&at);
                    let in_user_ns = self.plan.identity.is_some();
                    attach::mount(&root, mount, tree, maker, in_user_ns).map(Some)
                }
                Step::Device(device) => nodes::device(&root, device),
                Step::Symlink {
                    path,
                    target,
                    replace,
                } => nodes::symlink(&root, path, target, *replace).map(|()| None),
            };
            let made = made.map_err(|error| error.during(action(step)))?;
            self.standing
                .extend(made.map(|fd| Standing { step: at, fd }));
        }
        let place = guest::attach(&root, &self.sources.guest, &self.sources.launcher)
            .map_err(|error| error.during("cannot mount the guest directory"))?;
        self.place = Some(place);
        if !self.plan.masked_paths.is_empty() {
            self.null = Some(finish::open_null()?);
        }
        self.root = Some(root);
        Ok(())
    }

    /// Takes away what hides the host's cgroups from LXC, if something does.
    fn uncover_cgroups(&mut self) -> Result<(), Error> {
        let Some(host) = self.sources.cgroup.identity else {
            return Ok(());
        };
        let covered = || Ok::<_, Error>(identity(Path::new(CGROUP_ROOT))? != Some(host));
        if !covered()? {
            return Ok(());
        }
        let target = Root::open(Path::new(CGROUP_ROOT))?;
        match self.set_aside(&target, Path::new(CGROUP_ROOT)) {
            Ok(()) => {}
            Err(error) if error.errno == Errno::EINVAL && self.sources.cgroup.tree.is_some() => {}
            Err(error) => return Err(error.into()),
        }
        if !covered()? {
            return Ok(());
        }
        let Some(tree) = self.sources.cgroup.tree.take() else {
            return Err(Error::Unusable(
                "something else lies under its cover".to_owned(),
            ));
        };
        let target = Root::open(Path::new(CGROUP_ROOT))?;
        sys::set_propagation(&tree, PropagationKind::Private, true, CGROUP_ROOT)?;
        Ok(sys::move_mount(&tree, &target, CGROUP_ROOT)?)
    }

    /// The same for the file that may be covered.
    fn uncover_file(&self) -> Result<(), Error> {
        match &self.sources.covered {
            Some(file) if identity(&file.path)? != Some(file.identity) => Ok(detach(&file.path)?),
            _ => Ok(()),
        }
    }

    /// Takes away the tmpfs that LXC has mounted on /dev for itself; LXC goes on by a descriptor of it.
    fn remove_lxc_dev(&self, root: &Root) -> Result<(), Error> {
        let name = Path::new("dev");
        let fd = root
            .lookup(name, true)?
            .ok_or_else(|| Error::Unusable("LXC has not mounted a tmpfs on /dev".to_owned()))?;
        if kernel::fs_type(&fd, "/dev")? != TMPFS_MAGIC {
            return Err(Error::Unusable(
                "LXC has not mounted a tmpfs on /dev".to_owned(),
            ));
        }
        // No component was a symlink a moment ago, and no process of the container runs yet.
        Ok(self.set_aside(&fd, &self.rootfs.join(name))?)
    }

    /// Takes a mount away from `path`: to where the pivot leaves it behind. Only if that is not possible it is detached, for
    /// which the kernel waits a grace period of some hundred microseconds.
    fn set_aside(&self, mount: impl AsFd, path: &Path) -> Result<(), CallError> {
        let moved = Root::open(&self.aside)
            .ok()
            .is_some_and(|place| sys::move_mount(mount, &place, self.aside.display()).is_ok());
        if moved {
            return Ok(());
        }
        detach(path)
    }
}

fn detach(path: &Path) -> Result<(), CallError> {
    umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)
        .map_err(|errno| CallError::new(format!("umount2({}, MNT_DETACH)", path.display()), errno))
}

fn action(step: &Step) -> String {
    match step {
        Step::Mount(mount) => format!(
            "cannot mount {} ({})",
            mount.destination.display(),
            mount.pointer
        ),
        Step::Device(device) => match &device.pointer {
            Some(pointer) => format!("cannot make device {} ({pointer})", device.path.display()),
            None => format!("cannot make device {}", device.path.display()),
        },
        Step::Symlink { path, .. } => format!("cannot make symlink {}", path.display()),
    }
}
