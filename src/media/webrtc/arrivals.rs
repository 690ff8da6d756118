//! When pictures came: encoded, to measure latency from there, and decoded, to count them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use gstreamer as gst;

/// More pictures than these are never on their way between the network and the appsink.
const MOST: usize = 64;

/// What is known of the pictures on their way, by their time stamps, and when the sender was last heard of.
#[derive(Debug)]
pub struct Arrivals {
    encoded: VecDeque<(gst::ClockTime, Instant)>,
    decoded: VecDeque<(gst::ClockTime, u64)>,
    count: u64,
    heard: Instant,
}

impl Arrivals {
    pub fn new() -> Self {
        Self { encoded: VecDeque::new(), decoded: VecDeque::new(), count: 0, heard: Instant::now() }
    }

    /// The sender gave a sign of life.
    pub fn heard(&mut self) {
        self.heard = Instant::now();
    }

    pub fn silent_for(&self) -> Duration {
        self.heard.elapsed()
    }

    /// A packet of a picture came; its last one counts.
    pub fn packet(&mut self, time: Option<gst::ClockTime>) {
        self.heard();
        let Some(time) = time else { return };
        match self.encoded.back_mut().filter(|(last, _)| *last == time) {
            Some((_, at)) => *at = self.heard,
            None => push(&mut self.encoded, (time, self.heard)),
        }
    }

    /// A picture was decoded.
    pub fn picture(&mut self, time: Option<gst::ClockTime>) {
        if let Some(time) = time {
            push(&mut self.decoded, (time, self.count));
        }
        self.count += 1;
    }

    /// When the picture of that time had arrived, and its number among the decoded ones.
    pub fn find(&self, time: Option<gst::ClockTime>) -> (Option<Instant>, Option<u64>) {
        let arrived = self.encoded.iter().rev().find(|(of, _)| Some(*of) == time).map(|(_, at)| *at);
        let number = self.decoded.iter().rev().find(|(of, _)| Some(*of) == time).map(|(_, number)| *number);
        (arrived, number)
    }
}

fn push<T>(ring: &mut VecDeque<T>, item: T) {
    if ring.len() == MOST {
        ring.pop_front();
    }
    ring.push_back(item);
}
