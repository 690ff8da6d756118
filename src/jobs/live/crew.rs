//! Counts threads at work, so that one can wait for their end.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use super::stream::lock;

/// Threads at work; clones count together.
#[derive(Clone, Default)]
pub(super) struct Crew(Arc<(Mutex<usize>, Condvar)>);

/// Held by a thread as long as it works.
pub(super) struct Member(Crew);

impl Crew {
    pub fn join(&self) -> Member {
        *lock(&self.0.0) += 1;
        Member(self.clone())
    }

    /// Waits until nobody is at work; false when that takes longer than `patience`.
    pub fn wait(&self, patience: Duration) -> bool {
        let (count, left) = &*self.0;
        let waited = left.wait_timeout_while(lock(count), patience, |count| *count > 0);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let (count, left) = &*self.0.0;
        *lock(count) -= 1;
        left.notify_all();
    }
}
