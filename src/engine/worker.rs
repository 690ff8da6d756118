//! A session's thread: takes what waits, runs it, answers. A session that panics, or fails again and again, is opened anew.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{Buffer, Inferred, Job, queue::Queue, session::Session};
use crate::{
    error::{Error, Result},
    fault,
};

/// A session is opened anew so many times before it is given up. Each [`GOOD_RUNS`] runs in order give one back.
const MOST_RESTARTS: usize = 5;
const GOOD_RUNS: usize = 1000;
/// A session that fails so many times in a row is taken for broken: all inputs have the same shape, so that it is not the
/// input. (An error of CUDA leaves a session unusable.)
const MOST_FAILURES: usize = 3;

/// What a thread runs: a [`Session`], and in tests one that fails.
pub(super) trait Run {
    /// As [`Session::run`].
    fn run(&mut self, inputs: &[Buffer]) -> Result<Vec<Inferred>>;
}

impl Run for Session {
    fn run(&mut self, inputs: &[Buffer]) -> Result<Vec<Inferred>> {
        self.run(inputs)
    }
}

/// How many of an engine's sessions run.
#[derive(Debug)]
pub(super) struct Health {
    all: usize,
    lost: AtomicUsize,
}

impl Health {
    pub fn new(all: usize) -> Self {
        Self { all, lost: AtomicUsize::new(0) }
    }

    /// # Errors
    /// [`Unavailable`](crate::error::Kind::Unavailable) when sessions were given up.
    pub fn check(&self) -> Result<()> {
        match (self.lost.load(Ordering::Relaxed), self.all) {
            (0, _) => Ok(()),
            (lost, all) => Err(fault!(
                Unavailable,
                "{lost} of {all} sessions failed again and again and were given up: the server's log says why. \
                 Restart the server."
            )),
        }
    }
}

/// Works until the queue is closed and empty, or the session cannot be opened any more. `open` opens another session like
/// the first.
pub(super) fn serve<S: Run>(
    session: S,
    open: impl Fn() -> Result<S>,
    queue: &Queue<Job>,
    batch: usize,
    health: &Health,
) {
    let _leave = queue.join();
    let mut session = Some(session);
    let (mut restarts, mut good, mut failures) = (0_usize, 0, 0);
    while let Some(jobs) = queue.take(batch) {
        let (inputs, answers): (Vec<Buffer>, Vec<_>) = jobs.into_iter().map(|job| (job.input, job.answer)).unzip();
        let ran = catch_unwind(AssertUnwindSafe(|| session.as_mut().map(|session| session.run(&inputs))));
        let broken = match ran {
            Ok(Some(Ok(outputs))) => {
                for (answer, inferred) in answers.into_iter().zip(outputs) {
                    // Nobody waits any more when a job was cancelled.
                    let _ = answer.send(Ok(inferred));
                }
                (good, failures) = (good + 1, 0);
                if good == GOOD_RUNS {
                    (good, restarts) = (0, restarts.saturating_sub(1));
                }
                false
            }
            Ok(Some(Err(error))) => {
                tracing::error!(error = %error.full(), "ONNX Runtime could not run the model");
                for answer in answers {
                    let again = Error { kind: error.kind, detail: error.detail.clone(), cause: error.cause.clone() };
                    let _ = answer.send(Err(again));
                }
                failures += 1;
                failures == MOST_FAILURES
            }
            // The thread's panic hook has logged where it was.
            Ok(None) | Err(_) => {
                tracing::error!("a session of the model panicked");
                for answer in answers {
                    let _ = answer.send(Err(panicked()));
                }
                true
            }
        };
        if broken {
            (good, failures) = (0, 0);
            session = reopen(session.take(), &open, &mut restarts);
            if session.is_none() {
                health.lost.fetch_add(1, Ordering::Relaxed);
                tracing::error!("a session of the model is given up; the server is not ready any more");
                return;
            }
        }
    }
}

fn panicked() -> Error {
    fault!(Unavailable, "The model failed on this picture and is loaded again: try again in a minute.")
}

/// Closes a broken session and opens another, as often as may be.
fn reopen<S>(broken: Option<S>, open: &impl Fn() -> Result<S>, restarts: &mut usize) -> Option<S> {
    // First: two at once may not find room in a GPU's memory. What panicked may panic again.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
    while *restarts < MOST_RESTARTS {
        *restarts += 1;
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(Ok(session)) => {
                tracing::warn!(restarts = *restarts, "a session of the model was opened again");
                return Some(session);
            }
            Ok(Err(error)) => tracing::error!(error = %error.full(), "a session of the model cannot be opened again"),
            Err(_) => tracing::error!("opening a session of the model panicked"),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc::sync_channel};

    use super::{
        super::{Pool, stopped},
        *,
    };
    use crate::error::Kind;

    /// Does what the first value of its input says.
    struct Fake;
    const GOOD: f32 = 0.0;
    const PANIC: f32 = 1.0;
    const FAIL: f32 = 2.0;

    impl Run for Fake {
        fn run(&mut self, inputs: &[Buffer]) -> Result<Vec<Inferred>> {
            match inputs[0][0] {
                PANIC => panic!("the session panics, as it was asked to"),
                FAIL => Err(fault!(Internal, "The session fails.")),
                _ => Ok(inputs.iter().map(|_| Vec::new()).collect()),
            }
        }
    }

    struct Desk {
        queue: Arc<Queue<Job>>,
        health: Arc<Health>,
        opened: Arc<AtomicUsize>,
        thread: std::thread::JoinHandle<()>,
    }

    /// One session, which can be opened `opens` times more.
    fn desk(opens: usize) -> Desk {
        let (queue, health, opened) =
            (Arc::new(Queue::new(4)), Arc::new(Health::new(2)), Arc::<AtomicUsize>::default());
        let thread = {
            let (queue, health, opened) = (queue.clone(), health.clone(), opened.clone());
            let open = move || match opened.fetch_add(1, Ordering::SeqCst) {
                count if count < opens => Ok(Fake),
                _ => Err(fault!(Unavailable, "There is no memory.")),
            };
            std::thread::spawn(move || serve(Fake, open, &queue, 1, &health))
        };
        Desk { queue, health, opened, thread }
    }

    impl Desk {
        fn ask(&self, what: f32) -> Result<Inferred> {
            let mut input = Pool::new(1).take();
            input[0] = what;
            let (answer, ticket) = sync_channel(1);
            self.queue.push(Job { input, answer }).map_err(|_| stopped())?;
            ticket.recv().unwrap_or_else(|_| Err(stopped()))
        }
    }

    #[test]
    fn a_session_that_panics_is_opened_again() {
        let desk = desk(usize::MAX);
        for round in 1..=MOST_RESTARTS {
            desk.ask(GOOD).expect("it runs");
            let error = desk.ask(PANIC).expect_err("a panic");
            assert_eq!(error.kind, Kind::Unavailable, "it may be tried again");
            desk.ask(GOOD).expect("it runs again");
            assert_eq!(desk.opened.load(Ordering::SeqCst), round);
            desk.health.check().expect("nothing is lost");
        }
        // Time heals.
        for _ in 0..GOOD_RUNS {
            desk.ask(GOOD).expect("it runs");
        }
        desk.ask(PANIC).expect_err("a panic");
        desk.ask(GOOD).expect("it runs again");
        desk.ask(PANIC).expect_err("one too many");
        desk.thread.join().expect("the thread ends in order");
        assert!(desk.health.check().expect_err("not ready").detail.starts_with("1 of 2 sessions"));
    }

    #[test]
    fn a_session_that_cannot_be_opened_again_makes_the_engine_unhealthy() {
        let desk = desk(0);
        desk.ask(PANIC).expect_err("a panic");
        let error = desk.ask(GOOD).expect_err("nobody is left");
        assert!(error.detail.contains("engine has stopped"), "{error}");
        desk.thread.join().expect("the thread ends in order");
        assert_eq!(desk.opened.load(Ordering::SeqCst), MOST_RESTARTS, "it is tried several times");
        assert!(desk.health.check().is_err());
    }

    #[test]
    fn a_session_that_fails_again_and_again_is_opened_anew() {
        let desk = desk(usize::MAX);
        for _ in 0..2 {
            // Single failures are told, and no more.
            for _ in 0..MOST_FAILURES - 1 {
                assert!(desk.ask(FAIL).expect_err("a failure").detail.contains("fails"));
            }
            desk.ask(GOOD).expect("it runs");
        }
        assert_eq!(desk.opened.load(Ordering::SeqCst), 0);
        for _ in 0..MOST_FAILURES {
            desk.ask(FAIL).expect_err("a failure");
        }
        desk.ask(GOOD).expect("it runs again");
        assert_eq!(desk.opened.load(Ordering::SeqCst), 1);
        desk.queue.close();
        desk.thread.join().expect("the thread ends in order");
        desk.health.check().expect("nothing is lost");
    }
}
