//! Frames to a video file: MPEG-4 part 2 in AVI, H.264 in MP4.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, Instant},
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;

use super::{Rate, Template, Value, decode::utf8, shape};
use crate::{
    cancel::CancelToken,
    error::{Error, Result},
    fault,
    frame::{Frame, Range, Size},
};

/// Pictures that wait for the encoder at most.
const QUEUE: u64 = 8;
/// An encoder that takes no picture and writes no byte for so long is given up.
const STALL: Duration = Duration::from_secs(120);
/// The largest number that MPEG-4 part 2 and AVI take in a frame rate.
const LARGEST_TERM: u32 = 65_535;

/// A file format to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// MPEG-4 part 2: plays in desktop players. Has no times, only a rate.
    Avi,
    /// H.264: plays in browsers. Keeps every frame's own time.
    Mp4,
}

impl Format {
    /// As the interface spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Avi => "avi",
            Self::Mp4 => "mp4",
        }
    }

    /// The file name's end, without the dot.
    pub const fn extension(self) -> &'static str {
        self.as_str()
    }

    pub const fn mime(self) -> &'static str {
        match self {
            Self::Avi => "video/x-msvideo",
            Self::Mp4 => "video/mp4",
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "avi" => Ok(Self::Avi),
            "mp4" => Ok(Self::Mp4),
            other => Err(fault!(BadRequest, "The format {other:?} is not known: ask for avi or mp4.")),
        }
    }
}

/// Writes one video file. Dropped without [`Encoder::finish`] it stops at once and removes what it wrote, unless
/// [`Encoder::keep_part`] was called.
pub struct Encoder {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    source: gst_app::AppSrc,
    format: Format,
    rate: Rate,
    frames: u64,
    caps: Option<gst::Caps>,
    path: PathBuf,
    /// Where mp4mux keeps its samples until the index can be put in front.
    scratch: Option<PathBuf>,
    progress: Progress,
    cancel: CancelToken,
    finished: bool,
    keeps_part: bool,
}

impl Encoder {
    /// Starts a file of pictures of `size` at `rate`; MP4 rounds odd sizes up to even ones.
    ///
    /// In AVI frame n is shown at n / `rate`, so a source of variable rate has to repeat frames; in MP4
    /// `rate` is only what players show.
    ///
    /// # Errors
    /// [`Unprocessable`](crate::error::Kind::Unprocessable) for a size that the format does not take,
    /// [`Unavailable`](crate::error::Kind::Unavailable) when an element is not installed,
    /// [`Internal`](crate::error::Kind::Internal) when the file cannot be written.
    pub fn create(path: &Path, format: Format, size: Size, rate: Rate) -> Result<Self> {
        fits(format, size)?;
        let rate = bounded(rate, LARGEST_TERM);
        let shape = Value::Caps(shape::output(format, size));
        let location = Value::Str(utf8(path)?);
        let (pipeline, scratch) = match format {
            Format::Avi => (Template::get("record-avi")?.build(&[("location", location), ("shape", shape)])?, None),
            Format::Mp4 => {
                let mut scratch = path.as_os_str().to_owned();
                scratch.push(".faststart");
                let scratch = PathBuf::from(scratch);
                let parameters =
                    [("location", location), ("shape", shape), ("faststart_file", Value::Str(utf8(&scratch)?))];
                (Template::get("record-mp4")?.build(&parameters)?, Some(scratch))
            }
        };
        let broken = |why: &str| Error::internal("A media pipeline of the server is broken.", why);
        let source = pipeline
            .by_name("source")
            .and_then(|source| source.downcast::<gst_app::AppSrc>().ok())
            .ok_or_else(|| broken("no appsrc named source"))?;
        let bus = pipeline.bus().ok_or_else(|| broken("no bus"))?;
        let progress = Progress { bytes: 0, since: Instant::now() };
        let path = path.to_owned();
        let encoder = Self {
            pipeline,
            bus,
            source,
            format,
            rate,
            frames: 0,
            caps: None,
            path,
            scratch,
            progress,
            cancel: CancelToken::default(),
            finished: false,
            keeps_part: false,
        };
        if let Err(error) = encoder.pipeline.set_state(gst::State::Playing) {
            encoder.check()?;
            return Err(Error::internal("The video could not be written.", error));
        }
        Ok(encoder)
    }

    /// From now on [`Encoder::push`] and [`Encoder::finish`] also end when this is cancelled, with
    /// [`Unavailable`](crate::error::Kind::Unavailable).
    pub fn set_cancel(&mut self, cancel: CancelToken) {
        self.cancel = cancel;
    }

    /// Pictures that were pushed so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Queues one picture, blocking while the encoder is behind. `time` and `duration` in seconds; ignored
    /// for AVI. A picture of another size than the file's is scaled into it, with borders where the shape
    /// differs.
    ///
    /// # Errors
    /// [`DiskFull`](crate::error::Kind::DiskFull) when the disk is full,
    /// [`Internal`](crate::error::Kind::Internal) when the encoder fails or stalls.
    pub fn push(&mut self, frame: &Frame, time: f64, duration: f64) -> Result<()> {
        self.wait(|encoder| encoder.source.current_level_buffers() < QUEUE)?;
        let frame = &shape::ranged(frame, Range::Limited);
        let caps = shape::input(frame, self.rate);
        if self.caps.as_ref() != Some(&caps) {
            self.source.set_caps(Some(&caps));
            self.caps = Some(caps);
        }
        let (pts, length) = match self.format {
            Format::Avi => (self.tick(self.frames), self.tick(self.frames + 1) - self.tick(self.frames)),
            // mp4mux has no gap before a lone track: a late first frame is shown from the start instead, so
            // that all others keep their times.
            Format::Mp4 if self.frames == 0 => (gst::ClockTime::ZERO, clock(time + duration)),
            Format::Mp4 => (clock(time), clock(duration)),
        };
        let mut buffer = shape::buffer(frame)?;
        {
            let buffer = buffer.make_mut();
            buffer.set_pts(pts);
            buffer.set_duration(length);
        }
        if let Err(flow) = self.source.push_buffer(buffer) {
            self.wait(|_| false).and(Err(Error::internal("The video could not be written.", flow)))?;
        }
        self.frames += 1;
        Ok(())
    }

    /// What is written stays on disk even if the encoder fails or is dropped: an AVI without its index can be repaired
    /// by [`mend_avi`](super::mend_avi).
    pub fn keep_part(&mut self) {
        self.keeps_part = true;
    }

    /// Writes what is left and closes the file; dropping an encoder without this abandons the file.
    ///
    /// # Errors
    /// As [`Encoder::push`]; [`Internal`](crate::error::Kind::Internal) too when there was no frame.
    pub fn finish(mut self) -> Result<()> {
        if self.frames == 0 {
            return Err(Error::internal("There is no picture to write into the video.", "finish without a frame"));
        }
        self.source
            .end_of_stream()
            .map_err(|flow| Error::internal("The video could not be written to its end.", flow))?;
        self.wait(|_| false)?;
        self.finished = true;
        Ok(())
    }

    /// Waits for `ready` or the end of the stream, watching for errors.
    fn wait(&mut self, ready: impl Fn(&Self) -> bool) -> Result<()> {
        self.progress.since = Instant::now();
        loop {
            self.cancel.check()?;
            if ready(self) {
                return self.check();
            }
            // Long enough to be cheap, short enough that the queue never runs dry.
            let wanted = [gst::MessageType::Error, gst::MessageType::Eos];
            match self.bus.timed_pop_filtered(gst::ClockTime::from_mseconds(2), &wanted) {
                Some(message) => {
                    return if let gst::MessageView::Error(error) = message.view() {
                        Err(failure(error))
                    } else {
                        Ok(())
                    };
                }
                None => self.progress.look(&self.path, self.scratch.as_deref())?,
            }
        }
    }

    fn check(&self) -> Result<()> {
        match self.bus.pop_filtered(&[gst::MessageType::Error]) {
            Some(message) => match message.view() {
                gst::MessageView::Error(error) => Err(failure(error)),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// When frame n of a constant rate is shown.
    fn tick(&self, frame: u64) -> gst::ClockTime {
        let nanoseconds = u128::from(frame) * 1_000_000_000 * u128::from(self.rate.den) / u128::from(self.rate.num);
        gst::ClockTime::from_nseconds(u64::try_from(nanoseconds).unwrap_or(u64::MAX - 1))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        if self.pipeline.set_state(gst::State::Null).is_err() {
            tracing::warn!("an encoder did not stop");
        }
        if let Some(scratch) = &self.scratch {
            let _ = std::fs::remove_file(scratch);
        }
        if !self.finished && !self.keeps_part {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Watches that the files grow.
struct Progress {
    bytes: u64,
    since: Instant,
}

impl Progress {
    fn look(&mut self, path: &Path, scratch: Option<&Path>) -> Result<()> {
        if self.since.elapsed() < STALL / 4 {
            return Ok(());
        }
        let bytes = [Some(path), scratch]
            .into_iter()
            .flatten()
            .filter_map(|path| path.metadata().ok())
            .map(|meta| meta.len())
            .sum();
        if bytes != self.bytes {
            *self = Self { bytes, since: Instant::now() };
        }
        if self.since.elapsed() > STALL {
            return Err(Error::internal(
                "The video encoder stopped working.",
                format!("nothing written for {} s", STALL.as_secs()),
            ));
        }
        Ok(())
    }
}

/// Refuses sizes that avimux (16 to 4096), mp4mux (from 16) or x264 (to 16384) do not take.
fn fits(format: Format, size: Size) -> Result<()> {
    let (small, large) = (size.width.min(size.height), size.width.max(size.height));
    let most = if format == Format::Avi { 4096 } else { 16_384 };
    match (small, large) {
        (16.., _) if large <= most => Ok(()),
        (16.., _) if format == Format::Avi => Err(fault!(
            Unprocessable,
            "Pictures of {size} pixels are too large for AVI, which takes {most} at most: save as MP4 \
             instead."
        )),
        (16.., _) => Err(fault!(
            Unprocessable,
            "Pictures of {size} pixels are too large for MP4, which takes {most} at most: scale the video \
             down."
        )),
        _ => Err(fault!(
            Unprocessable,
            "Pictures of {size} pixels are too small to be saved as a video, which takes 16 pixels at least."
        )),
    }
}

fn failure(message: &gst::message::Error) -> Error {
    let (error, debug) = (message.error(), message.debug().unwrap_or_default());
    // mp4mux reports any failed write of its temporary file alike; the system's own words are in the debug
    // text.
    const NO_SPACE_LEFT: i32 = 28; // ENOSPC of Linux
    let full = std::io::Error::from_raw_os_error(NO_SPACE_LEFT).to_string();
    let full = full.split(" (os error").next().unwrap_or(&full);
    if error.matches(gst::ResourceError::NoSpaceLeft) || debug.contains(full) {
        return std::io::Error::from(std::io::ErrorKind::StorageFull).into();
    }
    Error::internal("The video could not be written.", error)
}

fn clock(seconds: f64) -> gst::ClockTime {
    gst::ClockTime::from_nseconds((seconds.max(0.0) * 1e9).round() as u64)
}

/// The nearest fraction whose terms are at most `most` (continued fractions).
fn bounded(rate: Rate, most: u32) -> Rate {
    let (mut num, mut den) = (u64::from(rate.num.max(1)), u64::from(rate.den.max(1)));
    let (mut before, mut now) = ((0_u64, 1_u64), (1_u64, 0_u64));
    while den != 0 {
        let whole = num / den;
        let next = (
            whole.saturating_mul(now.0).saturating_add(before.0),
            whole.saturating_mul(now.1).saturating_add(before.1),
        );
        if next.0 > u64::from(most) || next.1 > u64::from(most) {
            break;
        }
        (before, now) = (now, next);
        (num, den) = (den, num % den);
    }
    if now.1 == 0 { Rate { num: most, den: 1 } } else { Rate { num: (now.0 as u32).max(1), den: now.1 as u32 } }
}
