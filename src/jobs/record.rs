//! One recording's work: decode again, draw the stored detections, encode.

use std::time::{Duration, Instant};

use super::{FrameRow, Jobs, Recording, RecordingState, Video, queue::words, stop::Stop, timing::Timing};
use crate::{
    error::{Error, Result},
    event::Detection,
    fault,
    frame::Size,
    media::{Encoder, FileSource, Format},
    meter::StateLabel,
    vision::draw::{Style, annotate},
};

/// How often progress is stored and announced.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// Detections are read from the store in pages of so many frames.
const PAGE: usize = 512;

/// Works on recording `id` until its end, an error or `stop`.
pub(super) fn run(jobs: &Jobs, id: &str, stop: &Stop) {
    let Ok(Some(mut recording)) = jobs.store.recording(id) else { return };
    recording.state = RecordingState::Encoding;
    tell(jobs, &recording, stop);
    let Some(video) = recording.video.clone() else { return };
    let part = jobs.files.recording_part(&video, id);
    let outcome = record(jobs, &video, &mut recording, stop);
    if stop.asked() {
        // Also the whole file: the stop may have come right after the last frame, and a restart writes it again.
        if let Err(error) = jobs.remove_recording_files(&recording) {
            tracing::warn!(id, error = %error.full(), "cannot remove the files of a stopped recording");
        }
        return;
    }
    match outcome {
        Ok(bytes) => {
            recording.state = RecordingState::Done;
            recording.bytes = Some(bytes);
        }
        Err(error) => {
            let _ = std::fs::remove_file(part);
            recording.state = RecordingState::Failed;
            recording.error = Some(words(&error));
        }
    }
    jobs.meter.recordings_ended.get_or_create(&StateLabel { state: recording.state.as_str() }).inc();
    tell(jobs, &recording, stop);
}

/// Stores and announces how a recording stands, unless it was cancelled or deleted meanwhile.
fn tell(jobs: &Jobs, recording: &Recording, stop: &Stop) {
    stop.unless_asked(|| {
        if let Err(error) = jobs.store.update_recording(recording) {
            tracing::error!(id = %recording.id, error = %error.full(), "cannot store a recording's state");
        }
        jobs.hub.publish_recording(recording);
    });
}

/// Returns the size of the file in bytes.
fn record(jobs: &Jobs, video: &str, recording: &mut Recording, stop: &Stop) -> Result<u64> {
    let video = jobs.video(video)?;
    let timing = Timing::new(&jobs.store.times(video.seq)?, video.frame_rate.as_deref());
    let part = jobs.files.recording_part(&video.id, &recording.id);
    let mut source = FileSource::open(&video.id, &jobs.files.source(&video.id), &jobs.settings.limits)?;
    let mut rows = Rows { jobs, video: &video, page: Vec::new().into_iter(), from: 0 };
    let mut encoder: Option<Encoder> = None;
    let mut told = Instant::now();
    let style = Style { labels: recording.options.labels, scores: recording.options.scores };
    while let Some(row) = rows.next()? {
        if stop.asked() {
            return Ok(0);
        }
        let Some(frame) = source.next_frame()? else { break };
        let mut found: Vec<Detection> = serde_json::from_str(&row.detections)
            .map_err(|error| Error::internal("Stored detections cannot be read.", error))?;
        let options = &recording.options;
        found.retain(|detection| options.shows(detection));
        let drawn = annotate(&frame, &found, style);
        let encoder = match &mut encoder {
            Some(encoder) => encoder,
            none => none.insert(Encoder::create(
                &part,
                recording.format,
                Size::new(video.width, video.height),
                timing.rate(),
            )?),
        };
        let (time, duration, repeats) = timing.of(row.frame as usize, recording.format == Format::Avi);
        for _ in 0..repeats {
            encoder.push(&drawn, time, duration)?;
        }
        jobs.meter.frames_encoded.inc();
        recording.frames_done = row.frame + 1;
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tell(jobs, recording, stop);
        }
    }
    let Some(encoder) = encoder else {
        return Err(fault!(Unprocessable, "The video has no frames to save."));
    };
    encoder.finish()?;
    if recording.frames_done < recording.frames_total {
        let (done, total) = (recording.frames_done, recording.frames_total);
        return Err(fault!(Internal, "Only {done} of {total} frames could be decoded again; try once more."));
    }
    let bytes = std::fs::metadata(&part)?.len();
    std::fs::File::open(&part)?.sync_all()?;
    std::fs::rename(&part, jobs.files.recording(&video.id, &recording.id, recording.format))?;
    Ok(bytes)
}

/// The stored frames in order, a page at a time.
struct Rows<'a> {
    jobs: &'a Jobs,
    video: &'a Video,
    page: std::vec::IntoIter<FrameRow>,
    /// First frame of the next page.
    from: u64,
}

impl Rows<'_> {
    fn next(&mut self) -> Result<Option<FrameRow>> {
        if self.page.len() == 0 {
            self.page = self.jobs.store.frames(self.video.seq, self.from, PAGE)?.into_iter();
        }
        let row = self.page.next();
        self.from = row.as_ref().map_or(self.from, |row| row.frame + 1);
        Ok(row)
    }
}
