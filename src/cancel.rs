//! Asking a piece of work to end early, and saying why.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use crate::{error::Result, fault};

/// Why work should end before it is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// Somebody wants no more of it; what was found stays.
    Cancelled = 1,
    /// What it works on is gone.
    Deleted = 2,
    /// The process stops; the work goes on at the next start.
    Shutdown = 3,
}

/// Tells a thread to end its work early. Clones share one state. The first reason wins: later ones change nothing.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<State>);

#[derive(Default)]
struct State {
    /// 0, or a [`Reason`].
    reason: AtomicU8,
    /// Held while results are stored and announced, so that none come after a cancellation that takes it too.
    gate: Mutex<()>,
    /// For [`CancelToken::wait`].
    sleeping: Mutex<()>,
    woken: Condvar,
}

impl CancelToken {
    /// Asks the work to end. Returns at once, also while the work is storing a result. False if it was asked before.
    pub fn cancel(&self, reason: Reason) -> bool {
        let first = self.0.reason.compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire).is_ok();
        let _sleeping = lock(&self.0.sleeping);
        self.0.woken.notify_all();
        first
    }

    /// Does `act` while the work stores and announces nothing, and asks the work to end if `act` succeeds: what `act`
    /// stores and announces is the last of it. If `act` fails the work goes on.
    ///
    /// # Errors
    /// Those of `act`.
    pub fn cancel_after<T>(&self, reason: Reason, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let _gate = lock(&self.0.gate);
        let done = act()?;
        self.cancel(reason);
        Ok(done)
    }

    /// Stores and announces a result, unless the work was asked to end: None then.
    pub fn unless_cancelled<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let _gate = lock(&self.0.gate);
        (!self.is_cancelled()).then(act)
    }

    /// Why the work should end, if it should.
    pub fn reason(&self) -> Option<Reason> {
        match self.0.reason.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Reason::Cancelled),
            2 => Some(Reason::Deleted),
            _ => Some(Reason::Shutdown),
        }
    }

    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// For loops that wait for something else and look here in between.
    ///
    /// # Errors
    /// [`Unavailable`](crate::error::Kind::Unavailable) once the work was asked to end.
    pub fn check(&self) -> Result<()> {
        match self.reason() {
            None => Ok(()),
            Some(reason) => {
                Err(fault!(Unavailable, "The work was stopped before its end.").with_cause(format!("{reason:?}")))
            }
        }
    }

    /// Waits for a while, or until the work is asked to end: true then.
    pub fn wait(&self, span: Duration) -> bool {
        let sleeping = lock(&self.0.sleeping);
        // The reason is set before `sleeping` is taken to wake: a wake-up cannot be missed.
        let waited = self.0.woken.wait_timeout_while(sleeping, span, |()| !self.is_cancelled());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.is_cancelled()
    }
}

fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn the_first_reason_wins() {
        let token = CancelToken::default();
        assert_eq!((token.reason(), token.check().is_ok()), (None, true));
        assert!(token.cancel(Reason::Cancelled));
        assert!(!token.clone().cancel(Reason::Shutdown));
        assert!(token.cancel_after(Reason::Deleted, || Ok(true)).expect("done"));
        assert_eq!(token.reason(), Some(Reason::Cancelled));
        assert_eq!(token.check().expect_err("cancelled").cause.as_deref(), Some("Cancelled"));
    }

    #[test]
    fn many_threads_agree_on_one_reason() {
        for _ in 0..200 {
            let token = CancelToken::default();
            let wins: usize = std::thread::scope(|scope| {
                let ask = |reason| {
                    let token = token.clone();
                    scope.spawn(move || usize::from(token.cancel(reason)))
                };
                [Reason::Cancelled, Reason::Deleted, Reason::Shutdown]
                    .map(ask)
                    .map(|one| one.join().expect("ends"))
                    .iter()
                    .sum()
            });
            assert_eq!(wins, 1);
        }
    }

    #[test]
    fn nothing_is_stored_after_a_cancellation() {
        let token = CancelToken::default();
        let (inside, is_inside) = sync_channel(1);
        let (go_on, may_go_on) = sync_channel::<()>(1);
        let worker = std::thread::spawn({
            let token = token.clone();
            move || {
                let first = token.unless_cancelled(|| {
                    inside.send(()).expect("the test listens");
                    may_go_on.recv().expect("the test goes on");
                    1
                });
                // The cancellation below waits for the first result and comes before the second, or after both.
                (first, token.wait(Duration::from_secs(60)), token.unless_cancelled(|| 2))
            }
        });
        is_inside.recv().expect("the worker stores");
        go_on.send(()).expect("the worker waits");
        token.cancel_after(Reason::Cancelled, || Ok(())).expect("done");
        assert_eq!(worker.join().expect("ends"), (Some(1), true, None));
    }

    #[test]
    fn work_goes_on_when_the_cancellation_could_not_be_stored() {
        let token = CancelToken::default();
        let failed: Result<()> = token.cancel_after(Reason::Cancelled, || Err(fault!(DiskFull, "No room.")));
        assert!(failed.is_err() && !token.is_cancelled());
        assert_eq!(token.unless_cancelled(|| 1), Some(1));
    }

    #[test]
    fn a_shutdown_does_not_wait_for_a_result_that_is_being_stored() {
        let token = CancelToken::default();
        let kept = token.unless_cancelled(|| token.cancel(Reason::Shutdown));
        assert_eq!(kept, Some(true));
    }
}
