//! Threads for what may take long: as many as are needed, kept for a while.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Most threads. More work waits; a start that waits too long is let go by the responder.
const MOST: usize = 2048;
/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(5);
/// Size in bytes of a thread's stack.
const STACK: usize = 512 << 10;

type Job = Box<dyn FnOnce() + Send>;

/// The threads.
#[derive(Clone, Default)]
pub struct Pool(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Pool {
    /// Has something done soon, in whatever order.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.0.lock();
        state.jobs.push_back(Box::new(job));
        if state.idle >= state.jobs.len() {
            self.0.work.notify_one();
        } else if state.threads < MOST {
            let inner = Arc::clone(&self.0);
            let thread = thread::Builder::new().stack_size(STACK);
            // Without a new thread those that exist do it later.
            if thread.spawn(move || inner.serve()).is_ok() {
                state.threads += 1;
            }
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let wait = self.work.wait_timeout(state, IDLE);
            let (locked, timeout) = wait.unwrap_or_else(PoisonError::into_inner);
            state = locked;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn slow_work_delays_no_other() {
        let pool = Pool::default();
        let all = Arc::new(Barrier::new(51));
        for _ in 0..50 {
            let all = Arc::clone(&all);
            pool.run(move || _ = all.wait());
        }
        // Returns only when all fifty run at the same time.
        all.wait();
    }

    #[test]
    fn threads_are_used_again() {
        let pool = Pool::default();
        let (sender, receiver) = channel();
        for n in 0..100 {
            let sender = sender.clone();
            pool.run(move || _ = sender.send(n));
            assert_eq!(receiver.recv_timeout(Duration::from_secs(10)), Ok(n));
            while pool.0.lock().idle == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(pool.0.lock().threads, 1);
    }
}
