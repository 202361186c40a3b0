//! Which processor a child or a thread is born on.
//!
//! The kernel puts a new process on the idlest processor, and when it executes a program, once more. With a parent that
//! sleeps until that, both are wrong: the parent's processor is about to be free and its caches are warm, another one may have
//! to be woken first, which takes tens of microseconds, more so in a virtual machine. So the caller is held on its processor
//! while a child is born, and the child lets itself go before it executes its program, from where the kernel is free to
//! move it. A thread lets itself go at once.

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

/// The calling thread (sched_setaffinity(2)).
const SELF: Pid = Pid::from_raw(0);

/// Holds the calling thread on its processor at times. For a thread that may run on all processors of its cpuset.
#[derive(Clone, Copy, Debug)]
pub struct Affinity {
    /// Every processor there could be. With this mask a thread follows its cpuset, as one does for which no mask was ever set.
    all: CpuSet,
}

impl Affinity {
    /// Nothing for a thread that somebody has restricted to certain processors: its mask is not touched, since to set the same
    /// mask again would be a restriction that outlives a change of the cpuset.
    pub fn of_this_thread() -> Option<Affinity> {
        let before = sched_getaffinity(SELF).ok()?;
        let mut all = CpuSet::new();
        for cpu in 0..CpuSet::count() {
            all.set(cpu).ok()?;
        }
        sched_setaffinity(SELF, &all).ok()?;
        if sched_getaffinity(SELF) == Ok(before) {
            return Some(Affinity { all });
        }
        // It was one of those that it may run on, so it can be so again, unless the cpuset has lost all of them meanwhile.
        let _ = sched_setaffinity(SELF, &before);
        None
    }

    /// Lets the calling thread run where it likes, which was born of one that was held.
    pub fn release(&self) {
        // As it was before: see below.
        let _ = sched_setaffinity(SELF, &self.all);
    }

    /// Holds the calling thread, and so the children that it makes, until the result is dropped.
    pub fn hold(&self) -> Option<Held<'_>> {
        let mut here = CpuSet::new();
        here.set(sched_getcpu().ok()?).ok()?;
        sched_setaffinity(SELF, &here).ok()?;
        Some(Held { all: &self.all })
    }
}

/// A thread that stays on one processor.
#[derive(Debug)]
pub struct Held<'a> {
    all: &'a CpuSet,
}

impl<'a> Held<'a> {
    /// The mask that a child has to set for itself.
    pub fn mask(&self) -> &'a CpuSet {
        self.all
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // It has worked before, and at least one processor is always left.
        let _ = sched_setaffinity(SELF, self.all);
    }
}
