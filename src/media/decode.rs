//! A file's frames, one after the other, as the decoder left them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use gstreamer as gst;
use gstreamer_video as gst_video;

use super::{
    Limits, Rate, Template, Value, autoplug,
    container::{Container, Times},
    running::Running,
    sample, verdict,
};
use crate::{
    cancel::CancelToken,
    error::Result,
    fault,
    frame::{Frame, FrameTag, Size},
};

/// What a file says of itself, upright and with square pixels.
#[derive(Clone, Debug)]
pub struct MediaInfo {
    pub size: Size,
    /// Frames per second; None where the container gives none.
    pub rate: Option<Rate>,
    /// Seconds.
    pub duration: Option<f64>,
    /// duration x rate, rounded: an estimate.
    pub frames: Option<u64>,
    pub container: Option<String>,
    pub codec: Option<String>,
    /// MIME type of the file by its content, e.g. `video/mp4`.
    pub mime: &'static str,
}

/// A raw H.264 or H.265 stream is taken at this rate, which is FFmpeg's too.
pub(super) const RAW_RATE: Rate = Rate { num: 25, den: 1 };

/// Decodes a file: every frame of its first video track, upright, with square pixels, in I420.
///
/// One thread reads; GStreamer decodes ahead by a few frames and then waits. Dropping it stops everything.
pub struct FileSource {
    run: Running,
    source: Arc<str>,
    info: MediaInfo,
    container: Container,
    first: Option<Frame>,
    clock: Clock,
    damage: Option<f64>,
    ended: bool,
    limits: Limits,
    /// The file, as long as it may be read in another way where this one ends early.
    again: Option<PathBuf>,
    cancel: CancelToken,
}

impl FileSource {
    /// Opens a file and waits for its first frame, some seconds at most. `source` becomes every frame's
    /// source.
    ///
    /// # Errors
    /// All in words for a person: [`NotMedia`](crate::error::Kind::NotMedia) for what is no video at all,
    /// [`Unprocessable`](crate::error::Kind::Unprocessable) for a video that is broken, encrypted, silent
    /// about its index, in an unknown format or beyond the limits.
    pub fn open(source: &str, path: &Path, limits: &Limits) -> Result<Self> {
        Self::open_with(source, path, limits, &CancelToken::default())
    }

    /// As [`FileSource::open`]; this and every [`FileSource::next_frame`] also end when `cancel` is cancelled.
    ///
    /// # Errors
    /// As there, and [`Unavailable`](crate::error::Kind::Unavailable) once it is cancelled.
    pub fn open_with(source: &str, path: &Path, limits: &Limits, cancel: &CancelToken) -> Result<Self> {
        let container = Container::look(path)?;
        if container.lacks_index {
            return Err(verdict::no_index());
        }
        let cut = container.complete == Some(false);
        let mut again = cut.then(|| path.to_owned());
        let mut run = start(if cut { "file-cut" } else { "file" }, path, &container, limits, cancel)?;
        let mut first = run.pull();
        if !matches!(first, Ok(Some(_)))
            && let Some(path) = again.take()
        {
            run = start("file", &path, &container, limits, cancel)?;
            first = run.pull();
        }
        let Some(first) = first? else {
            return Err(verdict::refusal(&container, &run.found(), run.error(), limits.max_pixels));
        };
        let duration = run.duration().filter(|_| container.name.is_some() && container.states_duration);
        run.check_duration(duration.unwrap_or(0.0))?;
        let rate =
            first.caps().and_then(|caps| gst_video::VideoInfo::from_caps(caps).ok()).and_then(|video| rate_of(&video));
        // A raw stream has no clock; its own hint is not followed, as FFmpeg does not follow it.
        let rate = if container.times == Times::Counted { Some(RAW_RATE) } else { rate };
        let rate = container.track.average_rate().filter(|average| !plausible(rate, *average)).or(rate);
        let mut clock = Clock::new(rate, container.times, &first);
        let source: Arc<str> = source.into();
        let first = clock.frame(&first, &source)?;
        let info = MediaInfo {
            size: first.size,
            rate,
            duration,
            frames: estimate(duration, rate, container.track.frames),
            container: container.name.map(str::to_owned).or_else(|| run.tag::<gst::tags::ContainerFormat>()),
            codec: run.tag::<gst::tags::VideoCodec>(),
            mime: container.mime,
        };
        Ok(Self {
            run,
            source,
            info,
            container,
            first: Some(first),
            clock,
            damage: None,
            ended: false,
            limits: limits.clone(),
            again,
            cancel: cancel.clone(),
        })
    }

    pub fn info(&self) -> &MediaInfo {
        &self.info
    }

    /// Where the last frame that was given ends, in seconds: after the end, the video's duration.
    pub fn end(&self) -> f64 {
        (self.clock.end() * 1e6).round() / 1e6
    }

    /// The next frame, None at the end. Times rise strictly. Blocks while the decoder works, for the stall
    /// limit at most.
    ///
    /// # Errors
    /// [`Unprocessable`](crate::error::Kind::Unprocessable) when the decoder stalls or the file turns out to
    /// be beyond the limits. A file that breaks in the middle is no error: it ends, and
    /// [`FileSource::warning`] says so.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if self.ended {
            return Ok(None);
        }
        let sample = match self.run.pull() {
            Ok(Some(sample)) => Some(sample),
            ended => match self.go_on_in_another_way() {
                Some(sample) => Some(sample),
                None => ended?,
            },
        };
        let Some(sample) = sample else {
            self.ended = true;
            let found = self.run.found();
            return match found.too_large.is_some() || found.many_scans {
                true => Err(verdict::refusal(&self.container, &found, self.run.error(), self.limits.max_pixels)),
                false => Ok(None),
            };
        };
        let flags = sample.buffer().map_or(gst::BufferFlags::empty(), |buffer| buffer.flags());
        let frame = self.clock.frame(&sample, &self.source)?;
        if flags.intersects(gst::BufferFlags::CORRUPTED | gst::BufferFlags::DISCONT) {
            self.damage.get_or_insert(frame.tag.time);
        }
        self.run.check_duration(frame.tag.time)?;
        Ok(Some(frame))
    }

    /// The frame after those that were given, from a pipeline that pulls: one that is pushed gives more of most files whose
    /// end is missing, but not of all. None where there is none.
    fn go_on_in_another_way(&mut self) -> Option<gst::Sample> {
        let path = self.again.take()?;
        let found = self.run.found();
        if found.too_large.is_some() || found.many_scans {
            return None;
        }
        let mut run = start("file", &path, &self.container, &self.limits, &self.cancel).ok()?;
        for _ in 0..self.clock.frame {
            run.pull().ok()??;
        }
        let next = run.pull().ok()??;
        self.run = run;
        Some(next)
    }

    /// After the end: why frames may be missing or look wrong, for a person.
    pub fn warning(&self) -> Option<String> {
        let end = self.clock.end();
        let says = self.info.duration.unwrap_or(0.0);
        let short = end < says - (says * 0.02).max(0.5);
        // A longer sound track also makes a file longer than its pictures.
        let cut = self.container.complete == Some(false)
            || (self.container.complete.is_none() && short && !self.run.found().sound);
        if self.ended && cut && short {
            return Some(format!(
                "The file seems to be cut off: it says {says:.1} s but ends at {end:.1} s; the frames that \
                 are there were used."
            ));
        }
        if self.ended && cut {
            return Some(format!("The end of the file is missing; the frames up to {end:.1} s were used."));
        }
        if self.ended && self.run.error().is_some() {
            return Some(format!("The file is damaged after {end:.1} s; the frames up to there were used."));
        }
        self.damage
            .map(|time| format!("The file is damaged around {time:.1} s: some frames may be missing or look wrong."))
    }
}

/// Starts the pipeline of that name on a file.
fn start(name: &str, path: &Path, container: &Container, limits: &Limits, cancel: &CancelToken) -> Result<Running> {
    let pipeline = Template::get(name)?.build(&[("location", Value::Str(utf8(path)?))])?;
    if container.sparse_clock {
        autoplug::ignore_clock(&pipeline);
    }
    let mut run = Running::start(pipeline, limits, container.track.full_range, gst::State::Playing)?;
    run.set_cancel(cancel.clone());
    Ok(run)
}

/// Gives frames their number and time.
struct Clock {
    times: Times,
    /// Where the times are counted from.
    origin: f64,
    step: f64,
    /// The container gives a rate, or frames are counted by one.
    steady: bool,
    frame: u64,
    last: Option<f64>,
    /// Seconds that the last frame is shown.
    shown: f64,
}

impl Clock {
    fn new(rate: Option<Rate>, times: Times, first: &gst::Sample) -> Self {
        let step = rate.map_or(0.04, |rate| 1.0 / rate.per_second());
        Self { times, origin: origin(first, times), step, steady: rate.is_some(), frame: 0, last: None, shown: step }
    }

    /// Where the last frame ends, in seconds.
    fn end(&self) -> f64 {
        self.last.unwrap_or(0.0) + self.shown
    }

    fn frame(&mut self, sample: &gst::Sample, source: &Arc<str>) -> Result<Frame> {
        // Microseconds: finer than any container, and the same number wherever it is printed.
        let stamped = match self.times {
            Times::Counted => Some(self.frame as f64 * self.step),
            times => stamp(sample, times).map(|time| time - self.origin),
        };
        let mut time = stamped.unwrap_or_else(|| self.last.map_or(0.0, |last| last + self.step)).max(0.0);
        time = (time * 1e6).round() / 1e6;
        if let Some(last) = self.last
            && time <= last
        {
            time = ((last + 1e-6) * 1e6).round() / 1e6;
        }
        let tag = FrameTag { source: source.clone(), frame: self.frame, time };
        let frame = sample::frame(sample, tag)?;
        // What the container says of this frame; else its rate; else as long as the one before it.
        let length = sample.buffer().and_then(|buffer| buffer.duration()).map(|length| length.nseconds() as f64 / 1e9);
        let before = self.last.filter(|_| !self.steady).map(|last| time - last);
        self.shown = length.filter(|length| *length > 0.0).or(before).unwrap_or(self.step);
        self.last = Some(time);
        self.frame += 1;
        Ok(frame)
    }
}

/// When a sample is shown, in seconds: what ffprobe prints and what a browser's `mediaTime` says, edit lists
/// included.
pub(super) fn stamp(sample: &gst::Sample, times: Times) -> Option<f64> {
    let pts = sample.buffer()?.pts()?;
    let seconds = |time: gst::ClockTime| time.nseconds() as f64 / 1e9;
    if times == Times::Stamps {
        return Some(seconds(pts));
    }
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    segment.to_stream_time_full(pts).map(|time| match time {
        gst::Signed::Positive(time) => seconds(time),
        gst::Signed::Negative(time) => -seconds(time),
    })
}

/// From where a file's times are counted, given its first sample.
pub(super) fn origin(first: &gst::Sample, times: Times) -> f64 {
    if times == Times::Relative { stamp(first, times).unwrap_or(0.0) } else { 0.0 }
}

fn rate_of(video: &gst_video::VideoInfo) -> Option<Rate> {
    let (num, den) = (u32::try_from(video.fps().numer()).ok()?, u32::try_from(video.fps().denom()).ok()?);
    (num > 0 && den > 0).then_some(Rate { num, den })
}

/// May frames at this average rate be those of a track that declares `rate`? Fewer may be missing ones; a
/// rate far above the average is a variable one's shortest step.
fn plausible(rate: Option<Rate>, average: Rate) -> bool {
    rate.is_some_and(|rate| rate.per_second() < 1.5 * average.per_second())
}

/// How many frames a file gives: as many as fit into its duration, and no more than its index lists.
fn estimate(duration: Option<f64>, rate: Option<Rate>, listed: Option<u64>) -> Option<u64> {
    let fitting = duration.zip(rate).map(|(seconds, rate)| (seconds * rate.per_second()).round() as u64);
    match (fitting, listed) {
        (Some(fitting), Some(listed)) => Some(fitting.min(listed)),
        (fitting, listed) => fitting.or(listed),
    }
}

/// GStreamer takes paths as UTF-8.
pub(super) fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| fault!(BadRequest, "The file's name is not UTF-8: rename it and try again."))
}
