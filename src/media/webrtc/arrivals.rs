//! When each picture came, and which of the decoded ones it is.
//!
//! Parsers and decoders change time stamps, but they hand metas on from a picture's data to the picture; so what is known
//! of it travels as GStreamer's reference timestamps.

use std::{
    collections::VecDeque,
    sync::LazyLock,
    time::{Duration, Instant},
};

use gstreamer as gst;

/// More pictures than these are never on their way from the network to the depayloader.
const MOST: usize = 64;

/// The reference of the time of arrival, since the session's begin.
static ARRIVED: LazyLock<gst::Caps> = LazyLock::new(|| gst::Caps::new_empty_simple("timestamp/x-arrived"));
/// The reference of the time stamp that RTP gave the picture.
static STAMP: LazyLock<gst::Caps> = LazyLock::new(|| gst::Caps::new_empty_simple("timestamp/x-rtp"));
/// The reference of the picture's number.
static NUMBER: LazyLock<gst::Caps> = LazyLock::new(|| gst::Caps::new_empty_simple("timestamp/x-number"));

/// What is known of the pictures on their way, and when the sender was last heard of.
#[derive(Debug)]
pub struct Arrivals {
    begun: Instant,
    heard: Instant,
    /// Time stamps of RTP, and when the last packet of each came.
    packets: VecDeque<(gst::ClockTime, Instant)>,
    decoded: u64,
}

impl Arrivals {
    pub fn new() -> Self {
        let now = Instant::now();
        Self { begun: now, heard: now, packets: VecDeque::new(), decoded: 0 }
    }

    /// The sender gave a sign of life.
    pub fn heard(&mut self) {
        self.heard = Instant::now();
    }

    pub fn silent_for(&self) -> Duration {
        self.heard.elapsed()
    }

    /// A packet of RTP came.
    pub fn packet(&mut self, packet: &gst::BufferRef) {
        self.heard();
        let Some(time) = packet.pts() else { return };
        match self.packets.back_mut().filter(|(last, _)| *last == time) {
            Some((_, at)) => *at = self.heard,
            None => {
                if self.packets.len() == MOST {
                    self.packets.pop_front();
                }
                self.packets.push_back((time, self.heard));
            }
        }
    }

    /// A picture is whole, and not decoded yet.
    pub fn encoded(&self, picture: &mut gst::BufferRef) {
        let packet = self.packets.iter().rev().find(|(time, _)| Some(*time) == picture.pts());
        let arrived = packet.map_or_else(Instant::now, |(_, at)| *at).duration_since(self.begun);
        let arrived = gst::ClockTime::from_nseconds(arrived.as_nanos() as u64);
        gst::ReferenceTimestampMeta::add(picture, &ARRIVED, arrived, None);
        if let Some(stamp) = picture.pts() {
            gst::ReferenceTimestampMeta::add(picture, &STAMP, stamp, None);
        }
    }

    /// A picture was decoded.
    pub fn decoded(&mut self, picture: &mut gst::BufferRef) {
        let number = gst::ClockTime::from_nseconds(self.decoded);
        gst::ReferenceTimestampMeta::add(picture, &NUMBER, number, None);
        self.decoded += 1;
    }

    /// When the picture had arrived.
    pub fn of(&self, picture: &gst::BufferRef) -> Option<Instant> {
        Some(self.begun + Duration::from_nanos(mark(picture, &ARRIVED)?))
    }
}

/// The picture's time on the sender's clock.
pub fn stamp(picture: &gst::BufferRef) -> Option<Duration> {
    mark(picture, &STAMP).map(Duration::from_nanos)
}

/// The picture's number among those that were decoded.
pub fn number(picture: &gst::BufferRef) -> Option<u64> {
    mark(picture, &NUMBER)
}

fn mark(picture: &gst::BufferRef, reference: &gst::CapsRef) -> Option<u64> {
    let mut marks = picture.iter_meta::<gst::ReferenceTimestampMeta>();
    marks.find(|mark| mark.reference() == reference).map(|mark| mark.timestamp().nseconds())
}
