//! What is to be looked at later, each thing once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// When a container is looked at that may have started unseen.
pub const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Things with the moments at which they are due.
pub struct Schedule<T>(Mutex<BTreeMap<T, Instant>>);

impl<T: Ord + Clone> Schedule<T> {
    /// Nothing.
    pub fn new() -> Schedule<T> {
        Schedule(Mutex::new(BTreeMap::new()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<T, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a thing unless it is there already.
    pub fn add(&self, thing: T, after: Duration) {
        self.lock()
            .entry(thing)
            .or_insert_with(|| Instant::now() + after);
    }

    /// Takes what is due.
    pub fn due(&self) -> Vec<T> {
        let now = Instant::now();
        let mut due = Vec::new();
        self.lock().retain(|thing, when| {
            let waits = *when > now;
            if !waits {
                due.push(thing.clone());
            }
            waits
        });
        due
    }

    /// How long until something is due; `None`: nothing is waited for.
    pub fn next(&self) -> Option<Duration> {
        let earliest = self.lock().values().min().copied()?;
        Some(earliest.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_moment_counts() {
        let schedule = Schedule::new();
        assert_eq!(schedule.next(), None);
        schedule.add("later", Duration::from_secs(100));
        schedule.add("now", Duration::ZERO);
        schedule.add("later", Duration::ZERO);
        assert_eq!(schedule.next(), Some(Duration::ZERO));
        assert_eq!(schedule.due(), ["now"]);
        assert!(schedule.due().is_empty());
        assert!(schedule.next().unwrap() > Duration::from_secs(50));
    }
}
