//! The containers that are watched: each is taken up once, however many signs of it there are.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::event::About;
use crate::process::Identity;

/// A container, with all that its poststop hooks need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its first process.
    pub process: Identity,
    /// Its id.
    pub id: String,
    /// Name of the runtime.
    pub runtime: String,
    /// Its bundle.
    pub bundle: PathBuf,
    /// The version of the spec that its configuration claims.
    pub oci_version: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The arguments of its program.
    pub args: Option<Vec<String>>,
    /// Whether something of the host is mounted into it.
    pub has_bind_mounts: bool,
    /// Whether its start was held.
    pub gated: bool,
}

impl Container {
    /// What events say of it.
    pub fn about(&self) -> About {
        About {
            id: self.id.clone(),
            pid: self.process.pid,
            start: self.process.start,
            bundle: self.bundle.clone(),
            runtime: self.runtime.clone(),
        }
    }
}

/// What became of an attempt to take a container up.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is new, and the caller's. [`Roster::settle`] must follow.
    New,
    /// Somebody has taken it up, with this verdict on its start.
    Settled(bool),
}

/// All of them.
#[derive(Default)]
pub struct Roster {
    /// By process; `None` while the hooks run.
    known: Mutex<HashMap<Identity, Option<bool>>>,
    settled: Condvar,
}

impl Roster {
    fn lock(&self) -> MutexGuard<'_, HashMap<Identity, Option<bool>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up a container, or waits until whoever has done so before is finished, not longer than to `deadline`.
    pub fn claim(&self, process: Identity, deadline: Instant) -> Claim {
        let mut known = self.lock();
        loop {
            match known.get(&process) {
                None => {
                    known.insert(process, None);
                    return Claim::New;
                }
                Some(Some(allow)) => return Claim::Settled(*allow),
                Some(None) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Claim::Settled(true);
            }
            let wait = self.settled.wait_timeout(known, left);
            known = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether a container has been taken up.
    pub fn knows(&self, process: Identity) -> bool {
        self.lock().contains_key(&process)
    }

    /// The hooks of a new container have ended.
    pub fn settle(&self, process: Identity, allow: bool) {
        self.lock().insert(process, Some(allow));
        self.settled.notify_all();
    }

    /// The container is gone.
    pub fn forget(&self, process: Identity) {
        self.lock().remove(&process);
        self.settled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_container_is_taken_up_once() {
        let roster = Arc::new(Roster::default());
        let process = Identity { pid: 1, start: 2 };
        let soon = || Instant::now() + Duration::from_secs(20);
        assert_eq!(roster.claim(process, soon()), Claim::New);
        // Over already, so it does not wait.
        assert_eq!(roster.claim(process, Instant::now()), Claim::Settled(true));
        let other = Arc::clone(&roster);
        let waits = std::thread::spawn(move || other.claim(process, soon()));
        roster.settle(process, false);
        assert_eq!(waits.join().unwrap(), Claim::Settled(false));
        let later = Identity { pid: 1, start: 3 };
        assert!(roster.knows(process) && !roster.knows(later));
        roster.forget(process);
        assert_eq!(roster.claim(process, soon()), Claim::New);
    }
}
