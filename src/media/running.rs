//! A pipeline that runs and whose bus is watched: pulling from it never blocks for ever.

use std::time::{Duration, Instant};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;

use super::{
    Limits,
    autoplug::{Findings, Watch},
    stopping,
};
use crate::{
    cancel::CancelToken,
    error::{Error, Result},
    fault,
};

/// How long one look at the appsink takes; the bus is read in between.
const LOOK: Duration = Duration::from_millis(50);
/// After an error, how long frames that are still on their way may take.
const GRACE: Duration = Duration::from_secs(1);
/// The first picture of a file: longer than this is a stall whatever the limit says.
const OPEN: Duration = Duration::from_secs(15);

/// A running pipeline with an `appsink name=sink`; dropping it stops its threads and closes its files, or leaves that to
/// a thread where a decoder cannot be interrupted.
pub struct Running {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    sink: gst_app::AppSink,
    watch: Watch,
    stall: Duration,
    max_duration: f64,
    cancel: CancelToken,
    /// The first error on the bus.
    error: Option<gst::glib::Error>,
    tags: gst::TagList,
    started: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.bus.set_flushing(true);
        stopping::stop(self.pipeline.clone());
    }
}

impl Running {
    /// Starts a built pipeline in `state` (PAUSED or PLAYING). `full_range`: the container says that luma
    /// spans 0 to 255.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`] when the pipeline has no appsink or does not start,
    /// [`crate::error::Kind::Unavailable`] while too many pipelines cannot be stopped.
    pub fn start(pipeline: gst::Pipeline, limits: &Limits, full_range: bool, state: gst::State) -> Result<Self> {
        stopping::check_room()?;
        let sink = pipeline
            .by_name("sink")
            .and_then(|sink| sink.downcast::<gst_app::AppSink>().ok())
            .ok_or_else(|| Error::internal("A media pipeline of the server is broken.", "no appsink named sink"))?;
        let bus =
            pipeline.bus().ok_or_else(|| Error::internal("A media pipeline of the server is broken.", "no bus"))?;
        let watch = Watch::attach(&pipeline, limits.max_pixels, full_range, None);
        lend_strides(&sink);
        let running = Self {
            pipeline,
            bus,
            sink,
            watch,
            stall: limits.stall,
            max_duration: limits.max_duration,
            cancel: CancelToken::default(),
            error: None,
            tags: gst::TagList::new(),
            started: false,
        };
        // A failure is told in detail on the bus, where `pull` finds it.
        if let Err(error) = running.pipeline.set_state(state) {
            tracing::debug!(%error, "a pipeline did not start");
        }
        Ok(running)
    }

    /// From now on [`Running::pull`] and [`Running::preroll`] also end when this is cancelled.
    pub fn set_cancel(&mut self, cancel: CancelToken) {
        self.cancel = cancel;
    }

    /// The next sample; None at the end of the stream or after an error, which [`Running::error`] then holds.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unprocessable`] when nothing comes for longer than the stall limit,
    /// [`crate::error::Kind::Unavailable`] once it is cancelled.
    pub fn pull(&mut self) -> Result<Option<gst::Sample>> {
        let begun = Instant::now();
        let patience = if self.started { self.stall } else { self.stall.min(OPEN) };
        let mut failed: Option<Instant> = None;
        loop {
            self.cancel.check()?;
            let sample = self.sink.try_pull_sample(gst::ClockTime::from_mseconds(LOOK.as_millis() as u64));
            self.read_bus();
            if sample.is_some() {
                self.started = true;
                return Ok(sample);
            }
            if self.sink.is_eos() || self.watch.lock().hopeless() {
                return Ok(None);
            }
            if self.error.is_some() {
                let since = *failed.get_or_insert_with(Instant::now);
                if !self.watch.lock().exposed || since.elapsed() > GRACE {
                    return Ok(None);
                }
            }
            if begun.elapsed() > patience {
                return Err(fault!(
                    Unprocessable,
                    "The video's decoder gave no picture for {} s and was stopped: the file may be damaged.",
                    patience.as_secs()
                ));
            }
        }
    }

    /// Waits until a paused pipeline has its first picture; false when it ended or failed instead.
    ///
    /// # Errors
    /// As [`Running::pull`].
    pub fn preroll(&mut self) -> Result<bool> {
        let begun = Instant::now();
        loop {
            self.cancel.check()?;
            let (outcome, _, _) = self.pipeline.state(gst::ClockTime::from_mseconds(LOOK.as_millis() as u64));
            self.read_bus();
            if outcome == Ok(gst::StateChangeSuccess::Success) {
                return Ok(!self.sink.is_eos());
            }
            if outcome.is_err() || self.error.is_some() || self.watch.lock().hopeless() {
                return Ok(false);
            }
            if begun.elapsed() > self.stall.min(OPEN) {
                return Err(fault!(
                    Unprocessable,
                    "The video gives no picture within {} s: the file may be damaged.",
                    OPEN.as_secs()
                ));
            }
        }
    }

    /// The first picture of a paused pipeline.
    pub fn prerolled(&self) -> Option<gst::Sample> {
        self.sink.try_pull_preroll(gst::ClockTime::ZERO)
    }

    /// Jumps to a stream time in seconds and plays on from there.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unprocessable`] when the file cannot be sought in.
    pub fn play_from(&mut self, seconds: f64) -> Result<()> {
        if seconds > 0.0 {
            let to = gst::ClockTime::from_nseconds((seconds * 1e9) as u64);
            self.pipeline.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, to).map_err(|error| {
                fault!(Unprocessable, "The video cannot be shown from there: its file has no way to jump.")
                    .with_cause(error)
            })?;
        }
        self.pipeline
            .set_state(gst::State::Playing)
            .map(|_| ())
            .map_err(|error| Error::internal("The server could not play the video.", error))
    }

    fn read_bus(&mut self) {
        while let Some(message) = self.bus.pop() {
            match message.view() {
                gst::MessageView::Error(message) => {
                    tracing::debug!(error = %message.error(), debug = ?message.debug(), "pipeline error");
                    self.error.get_or_insert_with(|| message.error());
                }
                gst::MessageView::Warning(message) => {
                    tracing::debug!(warning = %message.error(), debug = ?message.debug(), "pipeline warning")
                }
                gst::MessageView::Tag(message) => self.tags.make_mut().insert(&message.tags(), gst::TagMergeMode::Keep),
                _ => {}
            }
        }
        if self.error.is_none() {
            self.error = self.watch.failure();
        }
    }

    pub fn error(&self) -> Option<&gst::glib::Error> {
        self.error.as_ref()
    }

    pub fn found(&self) -> Findings {
        self.watch.lock().clone()
    }

    /// A tag that the file's streams gave so far.
    pub fn tag<'a, T: gst::tags::Tag<'a, TagType = &'a str>>(&'a self) -> Option<String> {
        self.tags.get::<T>().map(|value| value.get().to_owned())
    }

    /// The file's length in seconds, as the container tells it.
    pub fn duration(&self) -> Option<f64> {
        self.pipeline
            .query_duration::<gst::ClockTime>()
            .map(|time| time.nseconds() as f64 / 1e9)
            .filter(|seconds| *seconds > 0.0)
    }

    /// # Errors
    /// [`crate::error::Kind::Unprocessable`] when `seconds` are beyond the limit.
    pub fn check_duration(&self, seconds: f64) -> Result<()> {
        if seconds > self.max_duration {
            return Err(fault!(
                Unprocessable,
                "The video is longer than the {} s that this server takes: cut it and send the parts.",
                self.max_duration
            ));
        }
        Ok(())
    }
}

/// Lets a decoder know that we read strides, so that it hands out its own padded buffers instead of copying
/// each picture into a tight one.
pub fn lend_strides(sink: &gst_app::AppSink) {
    let Some(pad) = sink.static_pad("sink") else {
        return;
    };
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        if let Some(gst::QueryViewMut::Allocation(query)) = info.query_mut().map(|query| query.view_mut()) {
            query.add_allocation_meta::<gstreamer_video::VideoMeta>(None);
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
}
