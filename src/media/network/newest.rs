//! Where GStreamer's threads leave the newest picture and how the source ended, and the reader finds both.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gstreamer as gst;

use super::super::{Arrival, LiveFrame, sample};
use crate::{
    error::{Error, Kind, Result},
    fault,
    frame::{Frame, FrameTag},
};

/// Encoded pictures whose arrival is remembered: more than a decoder keeps back.
const REMEMBERED: usize = 64;
/// A camera's clock that is off by more than so much against ours was set anew, seconds.
const JUMP: f64 = 5.0;

/// The newest picture of a source.
pub struct Newest {
    state: Mutex<State>,
    changed: Condvar,
    source: Arc<str>,
}

struct State {
    picture: Option<(Frame, Instant)>,
    /// Pictures decoded so far, and how many of them the reader has taken or passed.
    decoded: u64,
    passed: u64,
    clock: Clock,
    /// When the last picture came, or when all began.
    heard: Instant,
    outcome: Option<Result<()>>,
    codec: Option<String>,
    arrivals: VecDeque<(gst::ClockTime, Instant)>,
    /// The last refusal that the camera's server spoke out, as its status.
    status: Option<u16>,
}

impl Newest {
    pub fn new(source: &str) -> Self {
        let state = State {
            picture: None,
            decoded: 0,
            passed: 0,
            clock: Clock::default(),
            heard: Instant::now(),
            outcome: None,
            codec: None,
            arrivals: VecDeque::with_capacity(REMEMBERED),
            status: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), source: source.into() }
    }

    /// An encoded picture has arrived whole; `stamp` is its time in the stream.
    pub fn arrived(&self, stamp: Option<gst::ClockTime>) {
        let mut state = self.lock();
        if state.arrivals.len() == REMEMBERED {
            state.arrivals.pop_front();
        }
        state.arrivals.extend(stamp.map(|stamp| (stamp, Instant::now())));
    }

    /// A picture came out of the decoder.
    ///
    /// # Errors
    /// [`Internal`](Kind::Internal) when it cannot be read.
    pub fn decoded(&self, sample: &gst::Sample) -> Result<()> {
        let now = Instant::now();
        let stamp = sample.buffer().and_then(|buffer| buffer.pts());
        let running = sample.segment().and_then(|segment| {
            let time = segment.downcast_ref::<gst::ClockTime>()?.to_running_time(stamp)?;
            Some(time.nseconds() as f64 / 1e9)
        });
        let mut state = self.lock();
        let time = state.clock.time(running, now);
        let tag = FrameTag { source: self.source.clone(), frame: state.decoded, time };
        let frame = sample::frame(sample, tag)?;
        // A decoder gives pictures in another order than it gets them, so what is before stays for a while.
        let arrived = state.arrivals.iter().rev().find(|(known, _)| Some(*known) == stamp).map(|(_, at)| *at);
        state.picture = Some((frame, arrived.unwrap_or(now)));
        state.decoded += 1;
        state.heard = now;
        self.changed.notify_all();
        Ok(())
    }

    /// The source has ended; the first word counts.
    pub fn end(&self, outcome: Result<()>) {
        self.lock().outcome.get_or_insert(outcome);
        self.changed.notify_all();
    }

    /// What is there within `wait`, or why nothing will come.
    ///
    /// # Errors
    /// As the source ended.
    pub fn next(&self, wait: Duration) -> Result<Option<Arrival>> {
        let state = self.lock();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, wait, |state| state.picture.is_none() && state.outcome.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((frame, arrived)) = state.picture.take() {
            let skipped = frame.tag.frame - state.passed;
            state.passed = frame.tag.frame + 1;
            return Ok(Some(Arrival::Picture(LiveFrame { frame, arrived, skipped })));
        }
        match state.outcome.replace(Ok(())) {
            Some(Ok(())) => Ok(Some(Arrival::End)),
            Some(Err(error)) => Err(error),
            None => {
                state.outcome = None;
                Ok(None)
            }
        }
    }

    /// # Errors
    /// [`Unavailable`](Kind::Unavailable) when nothing has come for `silence`.
    pub fn check_silence(&self, silence: Duration) -> Result<()> {
        let state = self.lock();
        if state.heard.elapsed() < silence {
            return Ok(());
        }
        let seconds = silence.as_secs_f64();
        Err(match state.decoded {
            0 => fault!(
                Unavailable,
                "The camera gave no picture within {seconds} s: check the address and whether the camera is switched on."
            ),
            _ => fault!(Unavailable, "The camera has given no picture for {seconds} s."),
        })
    }

    /// The camera's server has refused something, by the status of RTSP or HTTP.
    pub fn refused(&self, status: u16) {
        self.lock().status = Some(status);
    }

    /// What a refusal of the camera's server means.
    pub fn refusal(&self) -> Option<Error> {
        self.lock().status.map(refusal)
    }

    pub fn set_codec(&self, codec: String) {
        self.lock().codec = Some(codec);
    }

    pub fn codec(&self) -> Option<String> {
        self.lock().codec.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a status of RTSP or HTTP means for who wrote the address.
pub fn refusal(status: u16) -> Error {
    let words = match status {
        401 | 403 => "The camera refuses the user or the password: one of them is wrong or missing.",
        404 | 410 | 454 => "The camera has no stream at this path: check the address.",
        453 | 429 | 503 => "The camera serves as many viewers as it can: end another one, or try again later.",
        461 => {
            "The camera does not send its stream over TCP: switch on RTP over RTSP (TCP, interleaved) in the camera."
        }
        _ => return fault!(Unavailable, "The camera answers with the error {status}."),
    };
    let kind = if matches!(status, 404 | 410 | 454) { Kind::NotFound } else { Kind::Unavailable };
    Error::new(kind, words)
}

/// Gives pictures their time: seconds since the first, by the stream's own stamps as long as these are sound.
#[derive(Default)]
struct Clock {
    first: Option<(f64, Instant)>,
    last: f64,
}

impl Clock {
    fn time(&mut self, stamp: Option<f64>, now: Instant) -> f64 {
        let Some((origin, began)) = self.first else {
            self.first = Some((stamp.unwrap_or(0.0), now));
            return 0.0;
        };
        let lived = now.duration_since(began).as_secs_f64();
        let mut time = stamp.map_or(lived, |stamp| stamp - origin);
        if (time - lived).abs() > JUMP {
            // The camera's clock was set: from here on count anew, from where ours stands.
            self.first = stamp.map(|stamp| (stamp - lived, began)).or(self.first);
            time = lived;
        }
        // Microseconds, as for files, and always rising.
        self.last = ((time * 1e6).round() / 1e6).max(((self.last + 1e-6) * 1e6).round() / 1e6);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_the_stamps_and_survive_a_clock_that_is_set() {
        let (mut clock, began) = (Clock::default(), Instant::now());
        let mut at = |stamp: Option<f64>, lived: f64| clock.time(stamp, began + Duration::from_secs_f64(lived));
        assert_eq!(at(Some(100.0), 0.0), 0.0);
        assert_eq!(at(Some(100.04), 0.07), 0.04);
        assert_eq!(at(Some(100.08), 0.071), 0.08);
        assert_eq!(at(Some(100.08), 0.08), 0.080001);
        assert_eq!(at(Some(5000.0), 0.2), 0.2);
        assert_eq!(at(Some(5000.04), 0.25), 0.24);
        assert_eq!(at(Some(3.0), 0.3), 0.3);
        assert_eq!(at(None, 0.4), 0.4);
    }

    #[test]
    fn the_first_outcome_is_told_once() {
        let newest = Newest::new("x");
        assert!(newest.next(Duration::ZERO).expect("waiting").is_none());
        newest.end(Err(refusal(401)));
        newest.end(Ok(()));
        assert!(newest.next(Duration::ZERO).expect_err("refused").detail.contains("password"));
        assert!(matches!(newest.next(Duration::ZERO), Ok(Some(Arrival::End))));
        assert!(newest.check_silence(Duration::ZERO).is_err() && newest.check_silence(Duration::from_secs(60)).is_ok());
    }
}
