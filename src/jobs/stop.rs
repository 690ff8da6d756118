//! Ending a piece of work early.

use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

/// Why a piece of work should end early; shared with the thread that does it.
#[derive(Default)]
pub(super) struct Stop {
    why: AtomicU8,
    /// Held while results are stored and announced, so that none come after the work was stopped.
    door: Mutex<()>,
    asked: Condvar,
}

impl Stop {
    pub const CANCELLED: u8 = 1;
    pub const SHUTDOWN: u8 = 2;

    pub fn asked(&self) -> bool {
        self.why.load(Ordering::Relaxed) != 0
    }

    /// Asked because the server stops, not because somebody wants no more of it.
    pub fn for_shutdown(&self) -> bool {
        self.why.load(Ordering::Relaxed) == Self::SHUTDOWN
    }

    /// Does something that must not happen once the work was stopped; None if it was.
    pub fn unless_asked<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let _door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.asked()).then(act)
    }

    /// After this nothing more of the work is stored or announced.
    pub fn ask(&self, why: u8) {
        let _door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        self.why.store(why, Ordering::Relaxed);
        self.asked.notify_all();
    }

    /// Waits for a while, or until it is asked.
    pub fn wait(&self, span: Duration) {
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.asked.wait_timeout_while(door, span, |()| !self.asked());
    }
}
