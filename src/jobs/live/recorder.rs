//! Writes a live stream into an annotated file, beside detection and without holding it up.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use super::{
    super::{Jobs, Recording, RecordingState, files::publish, queue::words},
    crew::Member,
    stream::Stream,
};
use crate::{
    error::{Error, Result},
    event::{Detection, Event},
    frame::Frame,
    media::{Encoder, Format, Rate},
    meter::StateLabel,
    vision::draw::{Style, annotate},
};

/// Frames that wait for the encoder; beyond them it is too slow, and frames are left out of the file and counted.
const WAITING: usize = 8;
/// How often progress is stored and told.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// Without pictures for so long an AVI goes on with the last one, so that its time stays the real one.
const HOLD: f64 = 1.0;
/// Rates that cameras have; an AVI is written at one of them.
const RATES: [u32; 11] = [1, 2, 5, 8, 10, 12, 15, 20, 25, 30, 60];

/// A recording that is being written; dropping it finishes the file.
pub(super) struct Recorder {
    id: String,
    frames: SyncSender<(Frame, Arc<[Detection]>)>,
}

impl Recorder {
    /// Starts the thread that writes `recording`, which the store knows already. `fps`: frames a second that come.
    /// `member` is held until the file is whole.
    pub fn start(
        jobs: &Arc<Jobs>,
        stream: &Arc<Stream>,
        recording: Recording,
        fps: f64,
        member: Member,
    ) -> Result<Self> {
        let (frames, come) = sync_channel(WAITING);
        let id = recording.id.clone();
        let (jobs, stream) = (jobs.clone(), stream.clone());
        std::thread::Builder::new().name("record".into()).spawn(move || {
            let _member = member;
            let mut writer = Writer::new(&jobs, recording, rate(fps));
            writer.run(&come, &stream);
        })?;
        Ok(Self { id, frames })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Gives a frame to the file. False when the writer has ended by itself: a full disk.
    pub fn push(&self, frame: &Frame, found: &Arc<[Detection]>) -> bool {
        match self.frames.try_send((frame.clone(), found.clone())) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                tracing::debug!(id = self.id, "the encoder is behind: a frame is not recorded");
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

/// The lowest usual rate that loses no frame: repeating one costs little, leaving one out shows.
fn rate(fps: f64) -> Rate {
    let enough = |rate: &&u32| f64::from(**rate) >= 0.97 * fps;
    Rate { num: RATES.iter().find(enough).copied().unwrap_or(60), den: 1 }
}

struct Writer<'a> {
    jobs: &'a Jobs,
    recording: Recording,
    rate: Rate,
    part: PathBuf,
    encoder: Option<Encoder>,
    /// The first frame's time, from which the file's times are counted.
    start: f64,
    /// The frame that is shown until the next one comes, with its time in the file and when it came.
    held: Option<(Frame, f64, Instant)>,
    told: Instant,
}

impl<'a> Writer<'a> {
    fn new(jobs: &'a Jobs, recording: Recording, rate: Rate) -> Self {
        let part = jobs.files.live_recording_part(&recording.id);
        Self { jobs, recording, rate, part, encoder: None, start: 0.0, held: None, told: Instant::now() }
    }

    fn run(&mut self, come: &Receiver<(Frame, Arc<[Detection]>)>, stream: &Stream) {
        let written = self.write(come, stream).and_then(|full| self.finish().map(|bytes| (bytes, full)));
        match written {
            Ok((bytes, full)) => {
                self.recording.state = RecordingState::Done;
                self.recording.bytes = Some(bytes);
                self.recording.error = full.map(str::to_owned);
            }
            Err(error) => {
                self.encoder = None;
                let _ = std::fs::remove_file(&self.part);
                self.recording.state = RecordingState::Failed;
                self.recording.error = Some(words(&error));
            }
        }
        self.jobs.meter.recordings_ended.get_or_create(&StateLabel { state: self.recording.state.as_str() }).inc();
        self.tell(stream);
    }

    /// Until no more frames come. Returns why it ended by itself, if it did.
    fn write(&mut self, come: &Receiver<(Frame, Arc<[Detection]>)>, stream: &Stream) -> Result<Option<&'static str>> {
        loop {
            match come.recv_timeout(TELL_EVERY) {
                Ok((frame, found)) => self.frame(&frame, &found)?,
                Err(RecvTimeoutError::Timeout) => self.hold()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
            if self.told.elapsed() >= TELL_EVERY {
                self.tell(stream);
                if self.jobs.files.free_bytes()? < self.jobs.settings.keep_free {
                    return Ok(Some("The server's disk is nearly full: the recording was ended here."));
                }
            }
        }
    }

    fn frame(&mut self, frame: &Frame, found: &[Detection]) -> Result<()> {
        let options = &self.recording.options;
        let kept: Vec<Detection> = found.iter().filter(|detection| options.shows(detection)).cloned().collect();
        let drawn = annotate(frame, &kept, Style { labels: options.labels, scores: options.scores });
        if self.encoder.is_none() {
            self.encoder = Some(Encoder::create(&self.part, self.recording.format, frame.size, self.rate)?);
            self.start = frame.tag.time;
        }
        let time = (frame.tag.time - self.start).max(0.0);
        self.show_until(time)?;
        self.held = Some((drawn, time, Instant::now()));
        self.recording.frames_done += 1;
        self.jobs.meter.frames_encoded.inc();
        Ok(())
    }

    /// No frame came for a while. AVI's time goes on by repeating the last; MP4's frames last as long as they must.
    fn hold(&mut self) -> Result<()> {
        match &self.held {
            Some((_, time, since)) if self.recording.format == Format::Avi => {
                let now = time + since.elapsed().as_secs_f64() - HOLD;
                if now > *time { self.repeat_until(now) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Writes the held frame, which is shown until `time`.
    fn show_until(&mut self, time: f64) -> Result<()> {
        match self.recording.format {
            Format::Avi => self.repeat_until(time),
            Format::Mp4 => match (self.held.take(), &mut self.encoder) {
                (Some((frame, from, _)), Some(encoder)) if time > from => encoder.push(&frame, from, time - from),
                _ => Ok(()),
            },
        }
    }

    fn repeat_until(&mut self, time: f64) -> Result<()> {
        let (Some((frame, _, _)), Some(encoder)) = (&self.held, &mut self.encoder) else { return Ok(()) };
        // A frame that shares its step with the one after it gives way, and a step without a frame repeats the last.
        let steps = (time * self.rate.per_second()).round() as u64;
        while encoder.frames() < steps {
            encoder.push(frame, 0.0, 0.0)?;
        }
        Ok(())
    }

    /// Returns the size of the file in bytes.
    fn finish(&mut self) -> Result<u64> {
        let Some((_, time, since)) = &self.held else {
            return Err(crate::fault!(
                Unprocessable,
                "No picture came while it was recorded: there is nothing to save."
            ));
        };
        // The last frame is shown for at least one step, and for as long as it really was there.
        let end = time + since.elapsed().as_secs_f64().max(1.0 / self.rate.per_second());
        self.show_until(end)?;
        self.encoder.take().ok_or_else(|| Error::internal("The recording broke.", "no encoder"))?.finish()?;
        publish(&self.part, &self.jobs.files.live_recording(&self.recording.id, self.recording.format))
    }

    fn tell(&mut self, stream: &Stream) {
        self.told = Instant::now();
        self.recording.frames_total = self.recording.frames_done;
        if let Err(error) = self.jobs.store.update_recording(&self.recording) {
            tracing::error!(id = %self.recording.id, error = %error.full(), "cannot store a recording's state");
        }
        stream.tell(&super::stream::text(&Event::<(), _>::Recording(&self.recording)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_avi_has_the_rate_of_a_camera() {
        for (fps, usual) in [(29.4, 30), (20.1, 20), (14.2, 15), (12.6, 15), (0.3, 1), (500.0, 60)] {
            assert_eq!(rate(fps), Rate { num: usual, den: 1 });
        }
    }
}
