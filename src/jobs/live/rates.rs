//! How fast a stream goes: over the last seconds, not since it began.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::event::round;

/// What is older than this counts no more.
const SPAN: Duration = Duration::from_secs(3);
/// No more moments than this are kept, whatever the rate.
const MOST: usize = 1024;

/// What was measured, rounded for people.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Measured {
    pub source_fps: Option<f64>,
    pub detect_fps: Option<f64>,
    pub latency_ms: Option<f64>,
}

/// Moments of the last seconds.
#[derive(Default)]
pub(super) struct Rates {
    /// When pictures came, and how many.
    came: VecDeque<(Instant, u64)>,
    /// When detections were there, and after how long.
    done: VecDeque<(Instant, Duration)>,
}

impl Rates {
    pub fn came(&mut self, pictures: u64) {
        push(&mut self.came, pictures);
    }

    pub fn done(&mut self, latency: Duration) {
        push(&mut self.done, latency);
    }

    /// Forgets everything: a pause or a lost connection is not a slow stream.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn read(&mut self) -> Measured {
        trim(&mut self.came);
        trim(&mut self.done);
        let per_second = |first: Option<Instant>, last: Option<Instant>, count: u64| {
            // From the first to the last moment lie one fewer steps than moments.
            let span = last?.duration_since(first?).as_secs_f64();
            (span > 0.2 && count > 1).then(|| round(count as f64 / span, 1))
        };
        let came: u64 = self.came.iter().skip(1).map(|(_, pictures)| pictures).sum();
        let mut latencies: Vec<f64> = self.done.iter().map(|(_, latency)| latency.as_secs_f64() * 1e3).collect();
        latencies.sort_by(f64::total_cmp);
        Measured {
            source_fps: per_second(self.came.front().map(|c| c.0), self.came.back().map(|c| c.0), came),
            detect_fps: per_second(
                self.done.front().map(|d| d.0),
                self.done.back().map(|d| d.0),
                self.done.len().saturating_sub(1) as u64,
            ),
            latency_ms: latencies.get(latencies.len() / 2).map(|median| round(*median, 1)),
        }
    }
}

fn push<T>(moments: &mut VecDeque<(Instant, T)>, what: T) {
    moments.push_back((Instant::now(), what));
    if moments.len() > MOST {
        moments.pop_front();
    }
}

fn trim<T>(moments: &mut VecDeque<(Instant, T)>) {
    while moments.front().is_some_and(|(when, _)| when.elapsed() > SPAN) {
        moments.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_last_seconds() {
        let ago = |seconds: f64| Instant::now() - Duration::from_secs_f64(seconds);
        let mut rates = Rates::default();
        assert_eq!(rates.read(), Measured::default());
        // Long ago it was fast; lately it is 10 a second, every second one worked on.
        rates.came.extend((0..100).map(|i| (ago(10.0 - f64::from(i) * 0.01), 1)));
        rates.came.extend((0..10).map(|i| (ago(2.0 - f64::from(i) * 0.2), 2)));
        rates.done.extend((0..10).map(|i| (ago(2.0 - f64::from(i) * 0.2), Duration::from_millis(20 + i as u64))));
        let read = rates.read();
        assert!((read.source_fps.unwrap() - 10.0).abs() < 0.2, "{read:?}");
        assert!((read.detect_fps.unwrap() - 5.0).abs() < 0.2, "{read:?}");
        assert_eq!(read.latency_ms, Some(25.0));
    }
}
