//! Pipelines of cameras that are still being taken apart, on threads of their own.
//!
//! The process must not end before: libraries take their globals away at exit, and a thread that is still closing an SRT
//! connection then brings the process down.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

static COUNT: Mutex<usize> = Mutex::new(0);
static FEWER: Condvar = Condvar::new();

/// One pipeline, until this is dropped.
pub struct Goodbye(());

impl Goodbye {
    pub fn begin() -> Self {
        *COUNT.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Self(())
    }
}

impl Drop for Goodbye {
    fn drop(&mut self) {
        *COUNT.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FEWER.notify_all();
    }
}

/// Waits until no camera's pipeline is being taken apart any more, before the process ends; false: not within `patience`.
pub fn cameras_are_gone(patience: Duration) -> bool {
    let count = COUNT.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = FEWER.wait_timeout_while(count, patience, |count| *count > 0);
    *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
}
