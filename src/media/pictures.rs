//! A file's frames as JPEG pictures, for browsers that cannot decode the file.

use std::path::Path;

use bytes::Bytes;
use gstreamer as gst;

use super::{
    Limits, Template, Value, autoplug,
    container::{Container, Times},
    decode::{RAW_RATE, origin, stamp, utf8},
    running::Running,
    verdict,
};
use crate::error::{Error, Result};

/// Seconds before the wanted time at which decoding starts: a decoder moves the start of the frame that lies
/// across the seek point, so that frame's time would be wrong; it is skipped.
const LEAD: f64 = 0.05;
/// Up to here decoding from the start is as quick as a jump, seconds.
const NEAR: f64 = 1.0;
/// Times closer than this are the same, seconds.
const SAME: f64 = 0.0005;

/// One frame as an upright JPEG.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Stream time in seconds, equal to the frame's.
    pub time: f64,
    pub jpeg: Bytes,
}

/// Decodes a file to JPEG pictures. Dropping it stops everything.
pub struct FilePictures {
    run: Running,
    times: Times,
    origin: f64,
    from: f64,
    /// Pictures so far, of a stream whose times are counted.
    count: u64,
}

impl FilePictures {
    /// The frames at and after stream time `from` (seconds); pictures wider than `max_width` pixels are
    /// scaled down.
    ///
    /// # Errors
    /// As [`FileSource::open`](super::FileSource::open).
    pub fn open(path: &Path, limits: &Limits, from: f64, max_width: u32) -> Result<Self> {
        let container = Container::look(path)?;
        if container.lacks_index {
            return Err(verdict::no_index());
        }
        let width = i32::try_from(max_width.clamp(16, 16384)).unwrap_or(16384);
        let size = gst::Caps::builder("video/x-raw")
            .field("width", gst::IntRange::new(1, width))
            .field("height", gst::IntRange::new(1, i32::MAX))
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .build();
        let pipeline =
            Template::get("pictures")?.build(&[("location", Value::Str(utf8(path)?)), ("size", Value::Caps(size))])?;
        if container.sparse_clock {
            autoplug::ignore_clock(&pipeline);
        }
        let mut run = Running::start(pipeline, limits, container.track.full_range, gst::State::Paused)?;
        if !run.preroll()? {
            return Err(verdict::refusal(&container, &run.found(), run.error(), limits.max_pixels));
        }
        let times = container.times;
        let origin = run.prerolled().map_or(0.0, |first| origin(&first, times));
        // Without times nothing can be found by time: such a stream is played from its start. So is what lies near it,
        // because a jump to before the first frame of an MPEG-TS loses the second.
        // Nor can tsdemux jump by a clock that is left out of account.
        let start =
            if times == Times::Counted || container.sparse_clock || from < NEAR { 0.0 } else { origin + from - LEAD };
        run.play_from(start)?;
        Ok(Self { run, times, origin, from, count: 0 })
    }

    /// The next picture, None at the end.
    ///
    /// # Errors
    /// [`Unprocessable`](crate::error::Kind::Unprocessable) when the decoder stalls.
    pub fn next_picture(&mut self) -> Result<Option<Picture>> {
        while let Some(sample) = self.run.pull()? {
            let stamped = match self.times {
                Times::Counted => Some(self.count as f64 / RAW_RATE.per_second()),
                times => stamp(&sample, times).map(|time| time - self.origin),
            };
            self.count += 1;
            let time = stamped.map_or(0.0, |time| time.max(0.0));
            let time = (time * 1e6).round() / 1e6;
            if time < self.from - SAME {
                continue;
            }
            let broken = |why: &str| Error::internal("The server could not make a picture of the video.", why);
            let buffer = sample.buffer_owned().ok_or_else(|| broken("no buffer"))?;
            let memory = buffer.into_mapped_buffer_readable().map_err(|_| broken("not readable"))?;
            return Ok(Some(Picture { time, jpeg: Bytes::from_owner(memory) }));
        }
        Ok(None)
    }
}
