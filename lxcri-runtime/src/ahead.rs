//! Namespaces that are made while the container's directory and cgroup are made.
//!
//! A network namespace takes the kernel longer than all others together, a third of a millisecond. LXC would make it when it
//! makes init, with everybody waiting; here it costs nothing where there is a second processor. lxc-start joins what was made
//! before it is executed, and keeps it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, unshare};

use crate::spec::{Namespace, Namespaces};
use crate::sys;

/// Open namespaces, CLONE_NEW* with each.
pub type Open = Vec<(OwnedFd, CloneFlags)>;

/// Which of the new namespaces are made ahead, with their names in /proc. None with a user namespace, which must own them.
pub fn kinds(namespaces: &Namespaces) -> Vec<(CloneFlags, &'static str)> {
    if namespaces.user != Namespace::Inherited {
        return Vec::new();
    }
    [
        (&namespaces.network, CloneFlags::CLONE_NEWNET, "net"),
        (&namespaces.ipc, CloneFlags::CLONE_NEWIPC, "ipc"),
        (&namespaces.uts, CloneFlags::CLONE_NEWUTS, "uts"),
    ]
    .into_iter()
    .filter(|(namespace, ..)| namespace.is_new())
    .map(|(_, kind, name)| (kind, name))
    .collect()
}

/// Namespaces that are being made.
pub struct Ahead(Option<JoinHandle<Result<Open>>>);

/// Begins to make them. They go away with their descriptors.
pub fn begin(namespaces: &Namespaces) -> Ahead {
    let kinds = kinds(namespaces);
    Ahead((!kinds.is_empty()).then(|| std::thread::spawn(move || make(&kinds))))
}

impl Ahead {
    /// Waits until they are there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn finish(self) -> Result<Open> {
        self.0.map_or(Ok(Vec::new()), |thread| {
            let made = thread.join();
            made.map_err(|_| anyhow!("a thread ended before its time"))?
        })
    }
}

fn make(kinds: &[(CloneFlags, &'static str)]) -> Result<Open> {
    let all = kinds.iter().map(|(kind, _)| *kind).collect::<CloneFlags>();
    unshare(all).with_context(|| format!("unshare({all:?})"))?;
    if all.contains(CloneFlags::CLONE_NEWNET) {
        // As with runc and crun.
        sys::loopback_up().context("set lo up")?;
    }
    kinds
        .iter()
        .map(|(kind, name)| {
            let path = format!("/proc/thread-self/ns/{name}");
            let file = File::open(&path).with_context(|| format!("open {path}"))?;
            Ok((file.into(), *kind))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_ones_are_made_ahead_where_nobody_else_must_own_them() {
        let mut namespaces = Namespaces {
            network: Namespace::New,
            ipc: Namespace::Path("/proc/1/ns/ipc".into()),
            uts: Namespace::New,
            pid: Namespace::New,
            ..Namespaces::default()
        };
        let names = |n: &Namespaces| -> Vec<_> { kinds(n).into_iter().map(|(_, n)| n).collect() };
        assert_eq!(names(&namespaces), ["net", "uts"]);
        namespaces.user = Namespace::New;
        assert!(names(&namespaces).is_empty());
        assert!(begin(&namespaces).finish().unwrap().is_empty());
    }
}
