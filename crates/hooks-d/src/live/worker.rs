//! The thread: waits for changes, lets a burst of them pass, reads everything again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::merge::Merger;
use super::watches::{Watches, Woken};
use super::{Current, get, set};
use crate::files::{HookFiles, Other};
use crate::load::load;
use crate::problem::{FileProblem, Place, Severity};
use crate::source::{OnError, Sources};

/// After so long without a change a burst is over.
const QUIET: Duration = Duration::from_millis(20);
/// A burst is not waited for any longer than that, or continuous writes would put off a change for ever.
const LONGEST_BURST: Duration = Duration::from_millis(100);
/// When to look again at what is wrong: not all that can put it right is watched, such as a hook's executable that is installed
/// after its file.
const RETRY: Duration = Duration::from_secs(5);

/// What the thread owns.
pub struct Worker<F> {
    sources: Sources,
    watches: Watches,
    current: Current,
    merger: Merger,
    on_change: F,
}

impl<F: Fn(&Arc<HookFiles>)> Worker<F> {
    pub fn new(sources: Sources, watches: Watches, current: Current, on_change: F) -> Worker<F> {
        Worker {
            sources,
            watches,
            current,
            merger: Merger::default(),
            on_change,
        }
    }

    /// Works until it is told to stop, and reads at `due`.
    pub fn run(mut self, mut due: Option<Instant>) {
        loop {
            match self.watches.wait(due) {
                Ok(Woken::Other) => {}
                Ok(Woken::Time) => due = self.read_again(),
                Ok(Woken::Changed) => match self.let_burst_pass() {
                    Ok(Woken::Stop) => return,
                    Ok(_) => due = self.read_again(),
                    Err(errno) => return self.give_up(errno),
                },
                Ok(Woken::Stop) => return,
                Err(errno) => return self.give_up(errno),
            }
        }
    }

    /// [`Woken::Stop`] or something else.
    fn let_burst_pass(&mut self) -> Result<Woken, Errno> {
        let end = Instant::now() + LONGEST_BURST;
        loop {
            let now = Instant::now();
            match self.watches.wait(Some(end.min(now + QUIET)))? {
                Woken::Changed | Woken::Other if now < end => {}
                woken => return Ok(woken),
            }
        }
    }

    /// Reads everything again, and tells if there is a difference. The result is when to do so once more without any change.
    fn read_again(&mut self) -> Option<Instant> {
        let (files, due) = self.read();
        if files != *get(&self.current) {
            let files = Arc::new(files);
            set(&self.current, Arc::clone(&files));
            (self.on_change)(&files);
        }
        due
    }

    /// Reads everything, without putting it in force. The second part of the result is when to do so once more without any change.
    pub fn read(&mut self) -> (HookFiles, Option<Instant>) {
        // First the watches: what changes after the reading is then seen.
        let unwatched = self.watches.refresh(&self.sources);
        let found = load(&self.sources);
        let now = Instant::now();
        let before = get(&self.current);
        let mut files = self.merger.merge(&self.sources, &before, found, now);
        let is_wrong =
            !unwatched.is_empty() || files.problems().any(|p| p.severity == Severity::Error);
        let retry = is_wrong.then(|| now + RETRY);
        for (path, reason) in unwatched {
            files.others.push(unwatched_problem(path, reason));
        }
        let due = [retry, self.merger.due()].into_iter().flatten().min();
        (files, due)
    }

    /// poll or read failed, which they do only for want of memory. What is in force stays so, and says why.
    fn give_up(self, errno: Errno) {
        let mut files = HookFiles::clone(&get(&self.current));
        for (source, _) in &self.sources.list {
            let reason = crate::text::failed("poll", errno);
            files
                .others
                .push(unwatched_problem(source.path().to_owned(), reason));
        }
        let files = Arc::new(files);
        set(&self.current, Arc::clone(&files));
        (self.on_change)(&files);
    }
}

fn unwatched_problem(path: std::path::PathBuf, reason: String) -> Other {
    Other {
        problem: FileProblem {
            file: path,
            place: Place::File,
            reason: format!("is not watched for changes: {reason}"),
            severity: Severity::Warning,
        },
        on_error: OnError::Skip,
        survived: false,
    }
}
