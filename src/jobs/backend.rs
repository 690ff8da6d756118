//! What the workers of videos and recordings need of decoder, detector and encoder. Tests put scripted ones in their
//! place, so that every order of events can be had without GStreamer, a model or luck.

use std::{path::Path, sync::Arc, time::Duration};

use super::Models;
use crate::{
    cancel::CancelToken,
    detector::{Detector, Pending},
    error::Result,
    event::{Detection, Task},
    frame::{Frame, Size},
    media::{self, Encoder, FileSource, Format, Limits, Rate},
};

/// How often it is looked whether there is room for one more decoder.
const ROOM_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The frames of a file.
pub(super) trait FrameSource {
    /// As [`FileSource::next_frame`].
    fn next_frame(&mut self) -> Result<Option<Frame>>;
    /// As [`FileSource::end`].
    fn end(&self) -> f64;
    /// As [`FileSource::warning`].
    fn warning(&self) -> Option<String>;
}

/// A loaded model.
pub(super) trait Detect {
    /// As [`Detector::depth`].
    fn depth(&self) -> usize;
    /// As [`Detector::submit_with`].
    fn submit(&self, frame: &Frame, cancel: &CancelToken) -> Result<Box<dyn InFlight>>;
}

/// A frame on its way through a model.
pub(super) trait InFlight {
    /// As [`Pending::wait`].
    fn wait(self: Box<Self>, threshold: f32) -> Result<Vec<Detection>>;
}

/// A video file that is being written.
pub(super) trait VideoWriter {
    /// As [`Encoder::push`].
    fn push(&mut self, frame: &Frame, time: f64, duration: f64) -> Result<()>;
    /// As [`Encoder::finish`].
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Opens sources, models and writers; all of them end early once `cancel` is cancelled.
pub(super) trait Backend: Send + Sync {
    /// Opens the file of video `id`.
    fn open(&self, id: &str, file: &Path, cancel: &CancelToken) -> Result<Box<dyn FrameSource>>;
    /// The detector of that name.
    fn detector(&self, name: &str) -> Result<Arc<dyn Detect>>;
    /// Starts a file of pictures of `size` at `rate`.
    fn create(
        &self,
        file: &Path,
        format: Format,
        size: Size,
        rate: Rate,
        cancel: &CancelToken,
    ) -> Result<Box<dyn VideoWriter>>;
}

/// GStreamer and the loaded models.
pub(super) struct Real {
    pub models: Models,
    pub limits: Limits,
}

impl Backend for Real {
    fn open(&self, id: &str, file: &Path, cancel: &CancelToken) -> Result<Box<dyn FrameSource>> {
        // Decoders that cannot be stopped hold the machine: the work waits, through no fault of its own.
        while !media::has_room() {
            cancel.wait(ROOM_POLL_INTERVAL);
            cancel.check()?;
        }
        Ok(Box::new(FileSource::open_with(id, file, &self.limits, cancel)?))
    }

    fn detector(&self, name: &str) -> Result<Arc<dyn Detect>> {
        Ok(self.models.find(Some(name), Task::Detect)?.clone())
    }

    fn create(
        &self,
        file: &Path,
        format: Format,
        size: Size,
        rate: Rate,
        cancel: &CancelToken,
    ) -> Result<Box<dyn VideoWriter>> {
        let mut encoder = Encoder::create(file, format, size, rate)?;
        encoder.set_cancel(cancel.clone());
        Ok(Box::new(encoder))
    }
}

impl FrameSource for FileSource {
    fn next_frame(&mut self) -> Result<Option<Frame>> {
        self.next_frame()
    }

    fn end(&self) -> f64 {
        self.end()
    }

    fn warning(&self) -> Option<String> {
        self.warning()
    }
}

impl Detect for Detector {
    fn depth(&self) -> usize {
        self.depth()
    }

    fn submit(&self, frame: &Frame, cancel: &CancelToken) -> Result<Box<dyn InFlight>> {
        Ok(Box::new(self.submit_with(frame, cancel)?))
    }
}

impl InFlight for Pending {
    fn wait(self: Box<Self>, threshold: f32) -> Result<Vec<Detection>> {
        (*self).wait(threshold)
    }
}

impl VideoWriter for Encoder {
    fn push(&mut self, frame: &Frame, time: f64, duration: f64) -> Result<()> {
        self.push(frame, time, duration)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        (*self).finish()
    }
}
