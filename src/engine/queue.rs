//! The bounded queue before the sessions: strictly first come, first served, also among those who wait for room, so
//! that no stream starves another.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::cancel::CancelToken;

/// How often a cancelled wait is noticed.
pub(super) const CANCEL_POLL: Duration = Duration::from_millis(50);

pub struct Queue<T> {
    room: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    /// Number of the next who comes, and of the next who is let in.
    next: u64,
    turn: u64,
    /// Numbers of those who left before their turn came.
    left: BTreeSet<u64>,
    workers: usize,
    closed: bool,
}

/// A worker at the queue; when the last one leaves, the queue closes.
pub struct Membership<'a, T>(&'a Queue<T>);

impl<T> Drop for Membership<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.workers -= 1;
        if state.workers == 0 {
            state.closed = true;
            // Whoever waits for an answer is told by the dropped sender.
            state.items.clear();
        }
        self.0.changed.notify_all();
    }
}

impl<T> State<T> {
    /// Passes over the turns of those who left.
    fn pass_left(&mut self) {
        while self.left.remove(&self.turn) {
            self.turn += 1;
        }
    }
}

impl<T> Queue<T> {
    pub fn new(room: usize) -> Self {
        let state =
            State { items: VecDeque::new(), next: 0, turn: 0, left: BTreeSet::new(), workers: 0, closed: false };
        Self { room: room.max(1), state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn join(&self) -> Membership<'_, T> {
        self.lock().workers += 1;
        Membership(self)
    }

    /// Blocks while there is no room, in the order of arrival.
    ///
    /// # Errors
    /// The queue is closed; the item comes back.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.lock();
        let mine = state.next;
        state.next += 1;
        while !state.closed && (state.turn != mine || state.items.len() >= self.room) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(item);
        }
        state.turn += 1;
        state.pass_left();
        state.items.push_back(item);
        self.changed.notify_all();
        Ok(())
    }

    /// As [`Queue::push`], and also ends when `cancel` is cancelled; whoever comes after does not wait for this turn.
    ///
    /// # Errors
    /// The queue is closed or the wait was cancelled; the item comes back.
    pub fn push_with(&self, item: T, cancel: &CancelToken) -> Result<(), T> {
        let mut state = self.lock();
        let mine = state.next;
        state.next += 1;
        while !state.closed && (state.turn != mine || state.items.len() >= self.room) {
            if cancel.is_cancelled() {
                state.left.insert(mine);
                state.pass_left();
                self.changed.notify_all();
                return Err(item);
            }
            state = self.changed.wait_timeout(state, CANCEL_POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed {
            return Err(item);
        }
        state.turn += 1;
        state.pass_left();
        state.items.push_back(item);
        self.changed.notify_all();
        Ok(())
    }

    /// Blocks for the next items: as many as wait, at most `most`, rounded down to a power of two so that a GPU sees
    /// few different shapes. `None` when the queue is closed and empty.
    pub fn take(&self, most: usize) -> Option<Vec<T>> {
        let mut state = self.lock();
        while state.items.is_empty() {
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let waiting = state.items.len().min(most.max(1));
        let taken = state.items.drain(..1 << waiting.ilog2()).collect();
        self.changed.notify_all();
        Some(taken)
    }

    /// Waits until all workers have left; false when that takes longer than `patience`.
    pub fn wait_for_workers(&self, patience: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), patience, |state| state.workers > 0);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Lets nobody in any more; what waits is still taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn batches_are_powers_of_two() {
        let queue = Queue::new(16);
        (0..7).for_each(|i| queue.push(i).expect("there is room"));
        assert_eq!(queue.take(8), Some(vec![0, 1, 2, 3]));
        assert_eq!(queue.take(8), Some(vec![4, 5]));
        assert_eq!(queue.take(1), Some(vec![6]));
        queue.close();
        assert_eq!(queue.take(8), None);
        assert_eq!(queue.push(8), Err(8));
    }

    #[test]
    fn a_full_queue_blocks_and_keeps_the_order() {
        let queue = Arc::new(Queue::new(2));
        let pusher = {
            let queue = queue.clone();
            std::thread::spawn(move || (0..100).for_each(|i| queue.push(i).expect("the queue is open")))
        };
        let mut seen = Vec::new();
        while seen.len() < 100 {
            let taken = queue.take(8).expect("items come");
            assert!(taken.len() <= 2, "no more than there is room for");
            seen.extend(taken);
        }
        pusher.join().expect("the pusher ends");
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_cancelled_wait_does_not_hold_up_those_behind_it() {
        let queue = Arc::new(Queue::new(1));
        queue.push(0).expect("there is room");
        let cancel = CancelToken::default();
        let push = |item, cancel: &CancelToken| {
            let (queue, cancel) = (queue.clone(), cancel.clone());
            std::thread::spawn(move || queue.push_with(item, &cancel))
        };
        let waits = |turn| {
            while queue.lock().next < turn {
                std::thread::yield_now()
            }
        };
        let left = push(1, &cancel);
        waits(2);
        let stays = push(2, &CancelToken::default());
        waits(3);
        cancel.cancel(crate::cancel::Reason::Shutdown);
        assert_eq!(left.join().expect("it ends"), Err(1));
        assert_eq!(queue.take(1), Some(vec![0]));
        assert_eq!(queue.take(1), Some(vec![2]));
        assert_eq!(stays.join().expect("it ends"), Ok(()));
        queue.push(3).expect("there is room");
    }

    #[test]
    fn the_wait_for_workers_has_an_end() {
        let queue = Queue::<u8>::new(1);
        let workers = [queue.join(), queue.join()];
        queue.close();
        assert!(!queue.wait_for_workers(Duration::ZERO));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| queue.wait_for_workers(Duration::from_secs(100)));
            drop(workers);
            assert!(waits.join().expect("it ends"));
        });
    }

    #[test]
    fn when_the_last_worker_leaves_nobody_waits() {
        let queue = Arc::new(Queue::new(1));
        let worker = queue.join();
        queue.push(0).expect("there is room");
        let blocked = {
            let queue = queue.clone();
            std::thread::spawn(move || queue.push(1))
        };
        drop(worker);
        assert_eq!(blocked.join().expect("it ends"), Err(1));
        assert_eq!(queue.take(1), None);
    }
}
