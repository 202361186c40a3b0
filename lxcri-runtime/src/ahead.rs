//! Namespaces that are made while the container's directory and cgroup are made.
//!
//! A network namespace takes the kernel longer than all others together, a third of a millisecond. LXC would make it when it
//! makes init, with everybody waiting; here it costs nothing where there is a second processor. The process that becomes
//! lxc-start joins what was made before LXC's `main` (see [`gate`](crate::lxc::gate)), and LXC keeps it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, unshare};

use crate::spec::{Namespace, Namespaces};
use crate::sys;
use crate::sysctl::KernelSettings;

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

/// Whether all those are made ahead that have settings of their own, which are set at once then.
pub fn has_all(namespaces: &Namespaces) -> bool {
    kinds(namespaces).len() == 3
}

/// Begins to make them, with `settings` where they have all that these belong to. They go away with their descriptors.
pub fn begin(namespaces: &Namespaces, settings: Option<&KernelSettings>) -> Ahead {
    let kinds = kinds(namespaces);
    let settings = settings.filter(|_| has_all(namespaces)).cloned();
    Ahead((!kinds.is_empty()).then(|| std::thread::spawn(move || make(&kinds, settings.as_ref()))))
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

fn make(kinds: &[(CloneFlags, &'static str)], settings: Option<&KernelSettings>) -> Result<Open> {
    let all = kinds.iter().map(|(kind, _)| *kind).collect::<CloneFlags>();
    unshare(all).with_context(|| format!("/linux/namespaces: unshare({all:?})"))?;
    if all.contains(CloneFlags::CLONE_NEWNET) {
        // As with runc and crun.
        sys::loopback_up().context("/linux/namespaces: set lo up")?;
    }
    settings.map_or(Ok(()), KernelSettings::apply_here)?;
    kinds
        .iter()
        .map(|(kind, name)| {
            let path = format!("/proc/thread-self/ns/{name}");
            let file =
                File::open(&path).with_context(|| format!("/linux/namespaces: open {path}"))?;
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
        assert!(!has_all(&namespaces));
        namespaces.user = Namespace::New;
        assert!(names(&namespaces).is_empty());
        let settings = KernelSettings::default();
        assert!(
            begin(&namespaces, Some(&settings))
                .finish()
                .unwrap()
                .is_empty()
        );
    }
}
