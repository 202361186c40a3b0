//! Runs a piece of work in other namespaces, in a thread of its own that ends with it.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use hook_exec::affinity::Affinity;
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, umask};

use super::error::{CallError, Error};
use super::identity::Identity;
use super::sys;
use lxc_entry::mount_id;

/// Runs `work` in `namespaces`, with umask 0, and as `identity` if there is one; the caller's thread is not changed.
pub(crate) fn in_thread<R: Send>(
    namespaces: &[(BorrowedFd<'_>, CloneFlags)],
    identity: Option<Identity>,
    work: impl FnOnce() -> Result<R, Error> + Send,
) -> Result<R, Error> {
    in_thread_beside(namespaces, identity, work, || ()).map(|(result, ())| result)
}

/// The same, and runs `beside` in the caller's thread meanwhile.
pub(crate) fn in_thread_beside<R: Send, B>(
    namespaces: &[(BorrowedFd<'_>, CloneFlags)],
    identity: Option<Identity>,
    work: impl FnOnce() -> Result<R, Error> + Send,
    beside: impl FnOnce() -> B,
) -> Result<(R, B), Error> {
    let affinity = Affinity::of_this_thread();
    let inside = || {
        if let Some(affinity) = affinity {
            affinity.release();
        }
        // A thread that shares its root and umask with others cannot join a mount namespace.
        unshare(CloneFlags::CLONE_FS)
            .map_err(|errno| CallError::new("unshare(CLONE_FS)", errno))?;
        for (fd, flag) in namespaces {
            setns(fd, *flag)
                .map_err(|errno| CallError::new(format!("setns({})", name(*flag)), errno))?;
        }
        umask(Mode::empty());
        if let Some(identity) = identity {
            sys::become_identity(identity)?;
        }
        work()
    };
    thread::scope(|scope| {
        // The caller is about to wait, and where LXC runs there is no room.
        let held = affinity.as_ref().and_then(Affinity::hold);
        let thread = thread::Builder::new()
            .name("namespaces".to_owned())
            .spawn_scoped(scope, inside)
            .map_err(|error| {
                let errno = error
                    .raw_os_error()
                    .map_or(Errno::UnknownErrno, Errno::from_raw);
                CallError::new("clone(thread)", errno)
            })?;
        drop(held);
        let other = beside();
        let result = thread.join().unwrap_or_else(|_| {
            Err(Error::Unusable(
                "the thread in the container's namespaces panicked".to_owned(),
            ))
        });
        Ok((result?, other))
    })
}

/// Whether this process's root directory is another than that of its mount namespace, as after chroot(2). False where that
/// cannot be found out.
///
/// Whoever joins a mount namespace gets its root directory, so in a chroot the paths of the engine's thread are not the
/// caller's.
pub(crate) fn is_chrooted() -> bool {
    let Ok(namespace) = std::fs::File::open("/proc/thread-self/ns/mnt") else {
        return false;
    };
    let outside = in_thread(
        &[(namespace.as_fd(), CloneFlags::CLONE_NEWNS)],
        None,
        || Ok(mount_id(c"/")),
    );
    outside.is_ok_and(|outside| outside != mount_id(c"/"))
}

fn name(flag: CloneFlags) -> String {
    flag.iter_names()
        .map(|(name, _)| name)
        .collect::<Vec<_>>()
        .join("|")
}

#[cfg(test)]
mod tests {
    use nix::sched::sched_getaffinity;
    use nix::unistd::Pid;

    use super::*;

    #[test]
    fn the_thread_may_run_where_its_caller_may() {
        let mask = || sched_getaffinity(Pid::from_raw(0)).expect("sched_getaffinity");
        let before = mask();
        let (inside, beside) = in_thread_beside(&[], None, || Ok(mask()), mask).unwrap();
        assert!(inside == before && beside == before);
        assert!(mask() == before);
    }
}
