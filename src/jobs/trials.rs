//! Suspects are tried one at a time, alone, so that no other file is blamed for what they do.
//!
//! A suspect gets a *trial*: work on the others pauses, and it runs alone until it has come further than at the crash, or
//! has ended. All work on files begins with [`Trials::enter`].

use std::{
    cell::Cell,
    collections::HashMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Jobs, Store, now,
    suspects::{self, Suspect, log_failure},
};
use crate::{error::Result, fault};

/// How long an upload waits for its trial.
const TRIAL_PATIENCE: Duration = Duration::from_secs(60);
/// How often a wait looks whether it was ended from outside.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What may be worked on now.
#[derive(Default)]
struct State {
    suspects: HashMap<String, Suspect>,
    /// Works that run and are not paused, by item.
    running: HashMap<String, usize>,
    /// Suspects that wait for their trial.
    waiting: usize,
    in_trial: bool,
}

impl State {
    /// Others than suspects may run.
    fn is_open(&self) -> bool {
        !self.in_trial && self.waiting == 0
    }
}

/// The suspects, and the gate through which all work on files goes.
#[derive(Default)]
pub(super) struct Trials {
    state: Mutex<State>,
    changed: Condvar,
}

impl Trials {
    /// Reads what is known; `crashed`: the process before this one did not stop in order.
    pub fn open(store: &Store, crashed: bool) -> Self {
        let suspects = suspects::load(store, crashed).unwrap_or_else(|error| {
            tracing::error!(error = %error.full(), "cannot read what was in work before");
            HashMap::new()
        });
        Self { state: Mutex::new(State { suspects, ..State::default() }), changed: Condvar::new() }
    }

    /// How often an item crashed the server alone, if no more work should be spent on it.
    pub fn given_up(&self, item: &str) -> Option<u32> {
        let state = self.lock();
        let suspect = state.suspects.get(item).filter(|suspect| suspect.is_given_up(item))?;
        Some(if item.starts_with("upload:") { suspect.crashes } else { suspect.alone })
    }

    /// Somebody asks for another attempt: it is still tried alone, but its crashes count from now on.
    pub fn forgive(&self, store: &Store, item: &str) {
        if let Some(suspect) = self.lock().suspects.get_mut(item) {
            (suspect.crashes, suspect.alone) = (0, 0);
            log_failure(store.forgive_suspect(item));
        }
    }

    /// The source of a video that is given up is not taken again, although its examination succeeds. `sha256`: of its bytes.
    pub fn refuse_upload(&self, store: &Store, sha256: &str, crashes: u32) {
        let suspect = Suspect { crashes, alone: crashes, position: 0, at: now() };
        let mut state = self.lock();
        log_failure(store.insert_suspect(&suspects::upload(sha256), &suspect));
        state.suspects.insert(suspects::upload(sha256), suspect);
    }

    /// Waits until the item may be worked on; None when `ended` says that nobody wants that any more.
    pub fn enter<'a>(&'a self, store: &'a Store, item: String, ended: &dyn Fn() -> bool) -> Option<Activity<'a>> {
        let mut state = self.lock();
        let in_trial = state.suspects.contains_key(&item);
        if in_trial {
            state.waiting += 1;
            // Those that run pause when they see it.
            let (next, ready) = self.wait(state, ended, |state| !state.in_trial && state.running.is_empty());
            state = next;
            state.waiting -= 1;
            // Another's trial may go on.
            state.in_trial |= ready;
            if !ready {
                drop(state);
                self.changed.notify_all();
                return None;
            }
        } else {
            let (next, ready) = self.wait(state, ended, State::is_open);
            state = next;
            if !ready {
                return None;
            }
        }
        let activity = Activity { trials: self, store, item, in_trial: Cell::new(in_trial) };
        activity.mark(&mut state);
        Some(activity)
    }

    /// Waits for a state; false when it was ended before.
    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        ended: &dyn Fn() -> bool,
        ready: impl Fn(&State) -> bool,
    ) -> (MutexGuard<'a, State>, bool) {
        loop {
            if ended() {
                return (state, false);
            }
            if ready(&state) {
                return (state, true);
            }
            state = self.changed.wait_timeout(state, POLL_INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work on one item; dropping it ends that.
pub struct Activity<'a> {
    trials: &'a Trials,
    store: &'a Store,
    item: String,
    /// It is a suspect and runs alone.
    in_trial: Cell<bool>,
}

impl Activity<'_> {
    /// The item is `frames` far. A suspect that has come further than at its crash is none any more.
    pub(super) fn progress(&self, frames: u64) {
        let further = |suspect: &Suspect| frames > suspect.position;
        if self.in_trial.get() && self.trials.lock().suspects.get(&self.item).is_none_or(further) {
            self.acquit();
        }
    }

    /// The work came to an end of its own, good or bad: the item does not crash the server.
    pub fn finish(self) {
        if self.in_trial.get() {
            self.acquit();
        }
    }

    fn acquit(&self) {
        let mut state = self.trials.lock();
        self.in_trial.set(false);
        state.in_trial = false;
        state.suspects.remove(&self.item);
        log_failure(self.store.delete_suspect(&self.item));
        drop(state);
        self.trials.changed.notify_all();
    }

    /// Called between two steps: pauses while a suspect is on trial, or waits for that, and until `ended`.
    pub(super) fn pause_point(&self, ended: &dyn Fn() -> bool) {
        let mut state = self.trials.lock();
        if self.in_trial.get() || state.is_open() {
            return;
        }
        self.unmark(&mut state);
        self.trials.changed.notify_all();
        (state, _) = self.trials.wait(state, ended, State::is_open);
        self.mark(&mut state);
    }

    /// Called with the lock held, so that the store's rows and the counts agree.
    fn mark(&self, state: &mut State) {
        let count = state.running.entry(self.item.clone()).or_default();
        *count += 1;
        if *count == 1 {
            // On a full disk this fails: a crash is then not counted, which is better than no work.
            log_failure(self.store.insert_running(&self.item));
        }
    }

    fn unmark(&self, state: &mut State) {
        let Some(count) = state.running.get_mut(&self.item) else { return };
        *count -= 1;
        if *count == 0 {
            state.running.remove(&self.item);
            log_failure(self.store.delete_running(&self.item));
        }
    }
}

impl Drop for Activity<'_> {
    fn drop(&mut self) {
        let mut state = self.trials.lock();
        self.unmark(&mut state);
        if self.in_trial.get() {
            state.in_trial = false;
        }
        drop(state);
        self.trials.changed.notify_all();
    }
}

impl Jobs {
    /// Work on an uploaded file begins that may crash the server; waits until it may. `sha256`: hexadecimal, of its bytes.
    ///
    /// # Errors
    /// The file crashed the server before, or it must be probed alone and other work takes too long.
    pub fn begin_probe(&self, sha256: &str) -> Result<Activity<'_>> {
        let item = suspects::upload(sha256);
        if let Some(crashes) = self.trials.given_up(&item) {
            return Err(fault!(
                Unprocessable,
                "The server crashed {crashes} times while it processed this file, so it is refused. Convert the video to \
                 H.264 MP4 and send that."
            ));
        }
        let begun = Instant::now();
        let ended = || self.is_stopping() || begun.elapsed() > TRIAL_PATIENCE;
        self.trials.enter(&self.store, item, &ended).ok_or_else(|| {
            fault!(
                Busy,
                "The server examines a file that may have crashed it and takes no other yet: try again in a minute."
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{atomic::AtomicBool, atomic::Ordering::SeqCst, mpsc::sync_channel};

    use super::super::suspects::tests::{Desk, NEVER};

    #[test]
    fn a_suspect_runs_alone_and_others_pause_meanwhile() {
        let desk = Desk::new();
        let trials = desk.crash(&["video:suspect", "video:second"]);
        let (entered, enters) = sync_channel(1);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let good = trials.enter(&desk.store, "video:good".into(), NEVER).expect("nothing else runs");
            let trial = scope.spawn(|| {
                let trial = trials.enter(&desk.store, "video:suspect".into(), NEVER).expect("its turn");
                entered.send(()).expect("somebody listens");
                assert_eq!(desk.store.running().expect("readable"), ["video:suspect"], "it runs alone");
                let late = trials.enter(&desk.store, "video:late".into(), &|| true);
                assert!(late.is_none(), "no other begins");
                let second = trials.enter(&desk.store, "video:second".into(), &|| true);
                assert!(second.is_none(), "nor does another suspect");
                over.store(true, SeqCst);
                trial.progress(1);
                trial
            });
            // Until it pauses, the suspect waits.
            assert!(enters.try_recv().is_err());
            while trials.lock().waiting == 0 && !over.load(SeqCst) {
                std::thread::yield_now();
            }
            good.pause_point(NEVER);
            assert!(over.load(SeqCst), "it went on only after the trial");
            enters.recv().expect("the trial took place");
            let running = desk.store.running().expect("readable");
            assert!(running.contains(&"video:good".to_owned()), "{running:?}");
            drop(trial.join().expect("the trial"));
        });
    }

    #[test]
    fn a_trial_that_nobody_wants_any_more_holds_up_no_other() {
        let desk = Desk::new();
        let trials = desk.crash(&["video:suspect", "video:other"]);
        let good = trials.enter(&desk.store, "video:good".into(), NEVER).expect("nothing else runs");
        assert!(trials.enter(&desk.store, "video:suspect".into(), &|| true).is_none(), "it was cancelled");
        good.pause_point(NEVER);
        assert!(trials.enter(&desk.store, "video:more".into(), NEVER).is_some());
    }
}
