//! Stopping pipelines in a time that has an end.
//!
//! `set_state(NULL)` waits for the pipeline's threads, and a decoder cannot be interrupted within a picture: a hostile
//! picture may hold it for minutes. So a pipeline is stopped by a thread of its own. Whoever drops the pipeline waits for
//! that thread for a moment only; then the pipeline counts as stuck until its thread is done. Where many are stuck, new
//! pipelines are refused, so that they cannot pile up.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use gstreamer::{self as gst, prelude::*};

use super::network::Goodbye;
use crate::{error::Result, fault};

/// How long the thread that drops a pipeline waits for its end.
const WAIT: Duration = Duration::from_secs(5);
/// So many stuck pipelines at most: each keeps a core busy and its pictures in memory.
const MOST_STUCK: usize = 4;

static STUCK: AtomicUsize = AtomicUsize::new(0);

/// Pipelines that were stopped some time ago and still run, because a decoder does not return.
pub fn stuck_pipelines() -> usize {
    STUCK.load(Ordering::Relaxed)
}

/// May a pipeline be started? Not while too many are stuck.
pub fn has_room() -> bool {
    stuck_pipelines() < MOST_STUCK
}

/// # Errors
/// [`Unavailable`](crate::error::Kind::Unavailable) while too many pipelines are stuck.
pub fn check_room() -> Result<()> {
    if !has_room() {
        return Err(fault!(
            Unavailable,
            "The server's decoders are held up by damaged videos: try again in a few minutes."
        ));
    }
    Ok(())
}

/// Stops a pipeline: at once in nearly all cases; otherwise it is left to its thread after [`WAIT`].
pub fn stop(pipeline: gst::Pipeline) {
    stop_within(WAIT, move || {
        if pipeline.set_state(gst::State::Null).is_err() {
            tracing::warn!("a pipeline did not stop");
        }
    });
}

/// Runs `end` on a thread of its own and waits for it until `wait` is over. Returns whether it was done by then.
fn stop_within(wait: Duration, end: impl FnOnce() + Send + 'static) -> bool {
    // The process does not end while libraries are at work, or only after a while.
    let goodbye = Goodbye::begin();
    let (done, is_done) = mpsc::sync_channel::<()>(1);
    // Who comes second counts: 1 is "the thread is done", 2 is "it is counted as stuck".
    let state = Arc::new(AtomicUsize::new(0));
    let mine = state.clone();
    // Kept here too: where no thread can be had, it is run here.
    let end = Arc::new(Mutex::new(Some(end)));
    let run_end = {
        let end = end.clone();
        move || {
            let end = end.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(end) = end {
                end();
            }
        }
    };
    let theirs = run_end.clone();
    let run = move || {
        theirs();
        if mine.swap(1, Ordering::AcqRel) == 2 {
            STUCK.fetch_sub(1, Ordering::Relaxed);
            tracing::info!("a decoder that could not be stopped has ended");
        }
        drop(done);
        drop(goodbye);
    };
    if let Err(error) = thread::Builder::new().name("media-stop".into()).spawn(run) {
        tracing::warn!(%error, "no thread to stop a pipeline");
        run_end();
        return true;
    }
    // An error says that `done` was dropped.
    if !matches!(is_done.recv_timeout(wait), Err(mpsc::RecvTimeoutError::Timeout)) {
        return true;
    }
    STUCK.fetch_add(1, Ordering::Relaxed);
    if state.swap(2, Ordering::AcqRel) == 1 {
        STUCK.fetch_sub(1, Ordering::Relaxed);
        return true;
    }
    tracing::warn!(stuck = stuck_pipelines(), "a decoder does not stop; it is left to end by itself");
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because the count is the process's.
    #[test]
    fn what_does_not_end_is_counted_until_it_ends() {
        assert!(stop_within(Duration::from_secs(60), || ()), "an end that comes at once");
        assert_eq!(stuck_pipelines(), 0);
        let gates: Vec<_> = (0..MOST_STUCK)
            .map(|n| {
                assert!(check_room().is_ok(), "{n} are stuck");
                let (open, gate) = mpsc::sync_channel::<()>(1);
                assert!(!stop_within(Duration::ZERO, move || while gate.recv().is_ok() {}), "the gate is closed");
                open
            })
            .collect();
        assert_eq!(stuck_pipelines(), MOST_STUCK);
        let error = check_room().expect_err("no more are started");
        assert_eq!(error.kind, crate::error::Kind::Unavailable);
        drop(gates);
        while stuck_pipelines() > 0 {
            thread::yield_now();
        }
        assert!(check_room().is_ok());
    }
}
