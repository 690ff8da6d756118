//! The thread that writes one live recording: draws, encodes, and reports how far it is.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use tokio::sync::broadcast;

use super::{
    super::{Jobs, Recording, RecordingState, Transition, files::publish, queue::words},
    crew::Closing,
    stream::text,
};
use crate::{
    error::{Error, Result},
    event::{Detection, Event},
    frame::{Frame, Size},
    media::{Encoder, Format, Rate, mend_avi},
    meter::StateLabel,
    vision::draw::{Style, annotate},
};

/// How often progress is stored and told.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// How long until the store is tried again when it could not keep how a recording ended.
const RETRY: Duration = Duration::from_secs(1);
/// Without pictures for so many seconds an AVI goes on with the last one, so that its time stays the real one.
const HOLD: f64 = 1.0;

/// A frame with what is drawn on it.
pub type Entry = (Frame, Arc<[Detection]>);

/// What the pictures are written to: an [`Encoder`], and in tests one that fails.
pub trait Output {
    /// As [`Encoder::push`].
    fn push(&mut self, frame: &Frame, time: f64, duration: f64) -> Result<()>;
    /// Pictures so far.
    fn frames(&self) -> u64;
    /// As [`Encoder::finish`].
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Starts to write a file.
pub type Create = fn(&Path, Format, Size, Rate) -> Result<Box<dyn Output>>;

impl Output for Encoder {
    fn push(&mut self, frame: &Frame, time: f64, duration: f64) -> Result<()> {
        self.push(frame, time, duration)
    }

    fn frames(&self) -> u64 {
        self.frames()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        (*self).finish()
    }
}

/// Starts an encoder. What it wrote of an AVI stays when it fails, and can be repaired.
pub fn encoder(part: &Path, format: Format, size: Size, rate: Rate) -> Result<Box<dyn Output>> {
    let mut encoder = Encoder::create(part, format, size, rate)?;
    if format == Format::Avi {
        encoder.keep_part();
    }
    Ok(Box::new(encoder))
}

/// The writer of one recording. It holds the stream's event sender and not the stream: the stream holds the recorder,
/// and neither may keep the other.
pub struct Writer<'a> {
    pub jobs: &'a Jobs,
    pub recording: Recording,
    pub rate: Rate,
    /// Frames that did not reach the writer because it was behind.
    pub skipped: Arc<AtomicU64>,
    pub events: broadcast::Sender<Arc<str>>,
    pub closing: Closing,
    pub create: Create,
}

/// A frame that is shown until the next one comes.
struct Held {
    frame: Frame,
    /// Its time in the file, in seconds.
    time: f64,
    since: Instant,
    /// It is in the file at least once.
    written: bool,
}

struct Work<'a> {
    writer: Writer<'a>,
    part: PathBuf,
    output: Option<Box<dyn Output>>,
    /// The first frame's time, from which the file's times are counted.
    start: f64,
    held: Option<Held>,
    /// Frames that reached the writer and are not in the file.
    lost: u64,
    reported: Instant,
}

impl Writer<'_> {
    /// Writes until no more frames come or the encoder fails, and returns when the outcome is stored and told.
    pub fn run(self, received: &Receiver<Entry>) {
        let part = self.jobs.files.live_recording_part(&self.recording.id);
        let reported = Instant::now();
        let mut work = Work { writer: self, part, output: None, start: 0.0, held: None, lost: 0, reported };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let early = work.write(received)?;
            work.finish().map(|bytes| (bytes, early.map(str::to_owned)))
        }));
        let outcome = outcome.unwrap_or_else(|_| {
            let detail = "Something unexpected happened inside the server; its log says more.";
            Err(Error::internal(detail, "the writer of a recording panicked"))
        });
        let recording = match outcome.or_else(|error| work.rescue(&error)) {
            Ok((bytes, early)) => {
                let recording = &mut work.writer.recording;
                (recording.bytes, recording.error, recording.state) = (Some(bytes), early, RecordingState::Done);
                recording
            }
            Err(error) => {
                let recording = &mut work.writer.recording;
                (recording.error, recording.state) = (Some(words(&error)), RecordingState::Failed);
                recording
            }
        };
        let state = recording.state.as_str();
        work.report_end();
        work.writer.jobs.meter.recordings_ended.get_or_create(&StateLabel { state }).inc();
    }
}

impl Work<'_> {
    /// Until no more frames come. Returns why it ended by itself, if it did.
    fn write(&mut self, received: &Receiver<Entry>) -> Result<Option<&'static str>> {
        loop {
            match received.recv_timeout(REPORT_EVERY) {
                Ok((frame, found)) => self.frame(&frame, &found)?,
                Err(RecvTimeoutError::Timeout) => self.hold()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
            if self.reported.elapsed() >= REPORT_EVERY {
                self.report();
                let jobs = self.writer.jobs;
                // Where the free space cannot be read the encoder will see a full disk itself.
                if jobs.files.free_bytes().is_ok_and(|free| free < jobs.settings.keep_free) {
                    return Ok(Some("The server's disk is nearly full: the recording was ended here."));
                }
            }
        }
    }

    fn frame(&mut self, frame: &Frame, found: &[Detection]) -> Result<()> {
        let recording = &self.writer.recording;
        let options = &recording.options;
        let kept: Vec<Detection> = found.iter().filter(|detection| options.shows(detection)).cloned().collect();
        let drawn = annotate(frame, &kept, Style { labels: options.labels, scores: options.scores });
        if self.output.is_none() {
            self.output = Some((self.writer.create)(&self.part, recording.format, frame.size, self.writer.rate)?);
            self.start = frame.tag.time;
        }
        let time = (frame.tag.time - self.start).max(0.0);
        self.show_until(time)?;
        if self.held.as_ref().is_some_and(|held| !held.written) {
            self.lost += 1;
            self.writer.jobs.meter.recording_frames_dropped.inc();
        } else {
            self.writer.recording.frames_done += 1;
            self.writer.jobs.meter.frames_encoded.inc();
        }
        self.held = Some(Held { frame: drawn, time, since: Instant::now(), written: false });
        Ok(())
    }

    /// No frame came for a while. AVI's time goes on by repeating the last; MP4's frames last as long as they must.
    fn hold(&mut self) -> Result<()> {
        match &self.held {
            Some(held) if self.writer.recording.format == Format::Avi => {
                let now = held.time + held.since.elapsed().as_secs_f64() - HOLD;
                if now > held.time { self.repeat_until(now) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Writes the held frame, which is shown until `time`.
    fn show_until(&mut self, time: f64) -> Result<()> {
        match self.writer.recording.format {
            Format::Avi => self.repeat_until(time),
            Format::Mp4 => match (&mut self.held, &mut self.output) {
                (Some(held), Some(output)) if time > held.time => {
                    output.push(&held.frame, held.time, time - held.time)?;
                    held.written = true;
                    Ok(())
                }
                _ => Ok(()),
            },
        }
    }

    fn repeat_until(&mut self, time: f64) -> Result<()> {
        let (Some(held), Some(output)) = (&mut self.held, &mut self.output) else { return Ok(()) };
        // A frame that shares its step with the one after it gives way, and a step without a frame repeats the last.
        let steps = (time * self.writer.rate.per_second()).round() as u64;
        while output.frames() < steps {
            output.push(&held.frame, 0.0, 0.0)?;
            held.written = true;
        }
        Ok(())
    }

    /// Returns the size of the file in bytes.
    fn finish(&mut self) -> Result<u64> {
        let Some(held) = &self.held else {
            return Err(crate::fault!(
                Unprocessable,
                "No picture came while it was recorded: there is nothing to save."
            ));
        };
        // The last frame is shown for at least one step, and for as long as it really was there.
        let end = held.time + held.since.elapsed().as_secs_f64().max(1.0 / self.writer.rate.per_second());
        self.show_until(end)?;
        self.output.take().ok_or_else(|| Error::internal("The recording broke.", "no encoder"))?.finish()?;
        publish(&self.part, &self.file())
    }

    /// Makes a whole file of what was written before an error, where the format allows it. Returns its size in bytes, and
    /// why its end is missing.
    ///
    /// # Errors
    /// The error that it was called for: nothing could be kept.
    fn rescue(&mut self, error: &Error) -> Result<(u64, Option<String>)> {
        self.output = None;
        let (format, file) = (self.writer.recording.format, self.file());
        let mended = match self.part.exists() {
            true => mend_avi(&self.part, &file, format).and_then(|()| publish(&file, &file)),
            false => Err(Error::internal("The recording broke.", "nothing was written")),
        };
        match mended {
            Ok(bytes) => {
                tracing::warn!(id = self.writer.recording.id, error = %error.full(), "a recording ended early");
                let _ = std::fs::remove_file(&self.part);
                Ok((bytes, Some(format!("{} What was recorded until then is kept.", error.detail))))
            }
            Err(why) => {
                tracing::debug!(error = %why.full(), "nothing is kept of a recording that failed");
                for file in [&self.part, &file] {
                    let _ = std::fs::remove_file(file);
                }
                Err(Error { kind: error.kind, detail: error.detail.clone(), cause: error.cause.clone() })
            }
        }
    }

    fn file(&self) -> PathBuf {
        let recording = &self.writer.recording;
        self.writer.jobs.files.live_recording(&recording.id, recording.format)
    }

    /// Stores the progress, then publishes it. Nothing is published that is not stored; false when the store failed.
    fn report(&mut self) -> bool {
        self.reported = Instant::now();
        let recording = &mut self.writer.recording;
        recording.frames_total = recording.frames_done;
        recording.frames_dropped = self.lost + self.writer.skipped.load(Ordering::Relaxed);
        match self.writer.jobs.store.update_recording(recording) {
            Ok(Transition::Stored) => {}
            // It was deleted: there is nobody to tell.
            Ok(Transition::Rejected) => return true,
            Err(error) => {
                tracing::error!(id = recording.id, error = %error.full(), "cannot store a recording's state; it is tried again");
                return false;
            }
        }
        // An error means that nobody follows.
        let _ = self.writer.events.send(text(&Event::<(), _>::Recording(&*recording)));
        true
    }

    /// The same for the outcome, again and again until it is stored. When the server stops before, the next start finds
    /// the whole file.
    fn report_end(&mut self) {
        while !self.report() {
            if self.writer.closing.wait(RETRY) {
                return;
            }
        }
    }
}
