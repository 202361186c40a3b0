//! What outlives a worker: each change goes to the journal, which is written anew from what matters now.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::journal::{Journal, Writer};
use crate::process::Identity;
use crate::worker::roster::Container;

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// It has been said that we are ready.
    Ready,
    /// A root directory was learned of: adapter and path.
    Root(String, PathBuf),
    /// A container was taken up.
    Added(Container),
    /// It is gone, its hooks included.
    Removed(Identity),
}

/// The changes so far, in sum.
pub struct Memory {
    writer: Writer,
    ready: bool,
    roots: Vec<(String, PathBuf)>,
    containers: HashMap<Identity, Container>,
}

impl Memory {
    /// What the previous worker knew.
    pub fn new(journal: &Arc<Journal>) -> Memory {
        let (writer, entries) = journal.open::<Entry>();
        let mut memory = Memory {
            writer,
            ready: false,
            roots: Vec::new(),
            containers: HashMap::new(),
        };
        for entry in entries {
            memory.apply(entry);
        }
        memory
    }

    /// Whether it has been said that we are ready.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// The roots that were learned of.
    pub fn roots(&self) -> Vec<(String, PathBuf)> {
        self.roots.clone()
    }

    /// The containers that are watched.
    pub fn containers(&self) -> Vec<Container> {
        self.containers.values().cloned().collect()
    }

    /// Makes a change.
    pub fn add(&mut self, entry: Entry) -> Result<(), Errno> {
        let result = self.writer.add(&entry);
        self.apply(entry);
        if !self.writer.is_large() {
            return result;
        }
        let containers = self.containers().into_iter().map(Entry::Added);
        let roots = self.roots().into_iter();
        let roots = roots.map(|(adapter, path)| Entry::Root(adapter, path));
        let ready = self.ready.then_some(Entry::Ready);
        self.writer.replace(roots.chain(containers).chain(ready))
    }

    fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Ready => self.ready = true,
            Entry::Root(adapter, path) => {
                let root = (adapter, path);
                if !self.roots.contains(&root) {
                    self.roots.push(root);
                }
            }
            Entry::Added(container) => {
                self.containers.insert(container.process, container);
            }
            Entry::Removed(process) => _ = self.containers.remove(&process),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(pid: i32) -> Container {
        Container {
            process: Identity { pid, start: 7 },
            id: format!("c{pid}"),
            runtime: "runc".into(),
            bundle: "/b".into(),
            oci_version: "1.0.2".into(),
            annotations: [("padding".to_owned(), "x".repeat(1000))].into(),
            args: None,
            has_bind_mounts: false,
            gated: true,
        }
    }

    #[test]
    fn the_next_knows_what_this_one_knew() {
        let journal = Arc::new(Journal::new().unwrap());
        let mut memory = Memory::new(&journal);
        memory.add(Entry::Ready).unwrap();
        memory.add(Entry::Root("runc".into(), "/r".into())).unwrap();
        // Enough to be written anew several times.
        for pid in 1..3000 {
            memory.add(Entry::Added(container(pid))).unwrap();
            if pid > 2 {
                let process = Identity { pid, start: 7 };
                memory.add(Entry::Removed(process)).unwrap();
            }
        }
        let next = Memory::new(&journal);
        assert!(next.is_ready());
        assert_eq!(next.roots(), [("runc".to_owned(), "/r".into())]);
        let mut known = next.containers();
        known.sort_by_key(|c| c.process.pid);
        assert_eq!(known, [container(1), container(2)]);
    }
}
