//! Counts threads at work, so that one can wait for their end, and tells them when the server stops.

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

/// Whether the server is stopping; threads that wait between two attempts end their wait early.
#[derive(Clone, Default)]
pub(super) struct Closing(Arc<(Mutex<bool>, Condvar)>);

impl Closing {
    pub fn begin(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    /// Waits for `span`, or until the server stops. True when it does.
    pub fn wait(&self, span: Duration) -> bool {
        let (begun, changed) = &*self.0;
        let waited = changed.wait_timeout_while(lock(begun), span, |begun| !*begun);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
