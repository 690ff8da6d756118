//! One recording's work: decode again, draw the stored detections, encode.

use std::time::{Duration, Instant};

use super::{
    Activity, FrameRow, Jobs, Recording, RecordingState, Transition, Video,
    backend::VideoWriter,
    files::publish,
    queue::words,
    retry::{until_read, until_stored},
    suspects,
    timing::Timing,
};
use crate::{
    cancel::CancelToken,
    error::{Error, Result},
    event::Detection,
    fault,
    frame::Size,
    media::Format,
    meter::StateLabel,
    vision::draw::{Style, annotate},
};

/// How often progress is stored and announced.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// Detections are read from the store in pages of so many frames.
const PAGE: usize = 512;

/// Works on recording `id` until its end, an error, or until it is cancelled.
pub(super) fn run(jobs: &Jobs, id: &str, cancel: &CancelToken) {
    let ended = || cancel.is_cancelled();
    let Some(activity) = jobs.trials.enter(&jobs.store, suspects::recording(id), &ended) else { return };
    let Some((mut recording, video)) = load(jobs, id, cancel) else { return };
    recording.state = RecordingState::Encoding;
    let outcome = match put(jobs, &recording, cancel) {
        Ok(Some(Transition::Stored)) => record(jobs, &video, &mut recording, cancel, &activity),
        // Cancelled or deleted before it began.
        Ok(Some(Transition::Rejected) | None) => return,
        Err(error) => Err(error),
    };
    if !cancel.is_cancelled() {
        activity.finish();
    }
    match outcome {
        Ok(bytes) => {
            recording.state = RecordingState::Done;
            recording.bytes = Some(bytes);
        }
        Err(error) => {
            // Before the state is stored: on a full disk this makes the room for it.
            remove_files(jobs, &recording);
            if !cancel.is_cancelled() {
                recording.error = Some(words(&error));
            }
            recording.state = RecordingState::Failed;
        }
    }
    if !finish(jobs, &recording, cancel) {
        // Also the whole file: it may have been cancelled right after the last frame, and the next start writes it again.
        remove_files(jobs, &recording);
    }
}

/// Marks the recording of a worker that panicked as failed.
pub(super) fn give_up(jobs: &Jobs, id: &str, detail: &str, cancel: &CancelToken) {
    if let Some((mut recording, _)) = load(jobs, id, cancel) {
        remove_files(jobs, &recording);
        (recording.state, recording.error) = (RecordingState::Failed, Some(detail.to_owned()));
        finish(jobs, &recording, cancel);
    }
}

/// The recording to be worked on and the id of its video, if there still is work to do on it.
fn load(jobs: &Jobs, id: &str, cancel: &CancelToken) -> Option<(Recording, String)> {
    // An error is in the log: the recording stays as it is stored, and starts again at the next start.
    let read = until_read("read a recording that is to be worked on", id, cancel, || jobs.store.recording(id));
    let recording = read.ok()??.filter(|recording| !recording.state.is_final())?;
    let video = recording.video.clone()?;
    Some((recording, video))
}

/// Stores how the work ended, then announces it; false if it was cancelled or deleted meanwhile. It is tried until the
/// store takes it.
fn finish(jobs: &Jobs, recording: &Recording, cancel: &CancelToken) -> bool {
    // An error is in the log: the recording stays as it is stored, and starts again at the next start.
    let stored = matches!(put(jobs, recording, cancel), Ok(Some(Transition::Stored)));
    if stored {
        jobs.meter.recordings_ended.get_or_create(&StateLabel { state: recording.state.as_str() }).inc();
    }
    stored
}

fn remove_files(jobs: &Jobs, recording: &Recording) {
    if let Err(error) = jobs.remove_recording_files(recording) {
        tracing::warn!(id = recording.id, error = %error.full(), "cannot remove the files of a recording");
    }
}

/// Stores how a recording stands, as soon as the store can take it, and announces it then; None when it is cancelled.
fn put(jobs: &Jobs, recording: &Recording, cancel: &CancelToken) -> Result<Option<Transition>> {
    let attempt = || cancel.unless_cancelled(|| store_and_announce(jobs, recording));
    until_stored("store how a recording stands", &recording.id, cancel, attempt, |_| ())
}

fn store_and_announce(jobs: &Jobs, recording: &Recording) -> Result<Transition> {
    let transition = jobs.store.update_recording(recording)?;
    if transition == Transition::Stored {
        jobs.hub.publish_recording(recording);
    }
    Ok(transition)
}

/// Stores and announces progress. What cannot be stored is not announced either; the work goes on, as the next progress or
/// the end may be stored.
fn progress(jobs: &Jobs, recording: &Recording, cancel: &CancelToken) -> Result<()> {
    match cancel.unless_cancelled(|| store_and_announce(jobs, recording)) {
        None => cancel.check(),
        Some(Ok(Transition::Stored)) => Ok(()),
        Some(Ok(Transition::Rejected)) => {
            Err(fault!(NotFound, "There is no such recording; it may have been deleted."))
        }
        Some(Err(error)) => {
            tracing::warn!(id = recording.id, error = %error.full(), "cannot store the progress of a recording");
            Ok(())
        }
    }
}

/// Returns the size of the file in bytes.
fn record(
    jobs: &Jobs,
    video: &str,
    recording: &mut Recording,
    cancel: &CancelToken,
    activity: &Activity<'_>,
) -> Result<u64> {
    let stopped = || Error::internal("The work was stopped before its end.", "cancelled");
    let video =
        until_read("read the video of a recording", video, cancel, || jobs.video(video))?.ok_or_else(stopped)?;
    let times = until_read("read the frames of a recording", &video.id, cancel, || jobs.store.times(video.seq))?;
    let timing = Timing::new(&times.ok_or_else(stopped)?, video.frame_rate.as_deref());
    let part = jobs.files.recording_part(&video.id, &recording.id);
    let mut source = jobs.backend.open(&video.id, &jobs.files.source(&video.id), cancel)?;
    let mut rows = Rows { jobs, video: &video, cancel, page: Vec::new().into_iter(), from: 0 };
    let mut writer: Option<Box<dyn VideoWriter>> = None;
    let mut told = Instant::now();
    let style = Style { labels: recording.options.labels, scores: recording.options.scores };
    while let Some(row) = rows.next()? {
        activity.pause_point(&|| cancel.is_cancelled());
        cancel.check()?;
        let Some(frame) = source.next_frame()? else { break };
        let mut found: Vec<Detection> = serde_json::from_str(&row.detections)
            .map_err(|error| Error::internal("Stored detections cannot be read.", error))?;
        let options = &recording.options;
        found.retain(|detection| options.shows(detection));
        let drawn = annotate(&frame, &found, style);
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(jobs.backend.create(
                &part,
                recording.format,
                Size::new(video.width, video.height),
                timing.rate(),
                cancel,
            )?),
        };
        let (time, duration, repeats) = timing.of(row.frame as usize, recording.format == Format::Avi);
        for _ in 0..repeats {
            writer.push(&drawn, time, duration)?;
        }
        jobs.meter.frames_encoded.inc();
        recording.frames_done = row.frame + 1;
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            progress(jobs, recording, cancel)?;
            activity.progress(recording.frames_done);
            jobs.check_disk()?;
        }
    }
    let Some(writer) = writer else {
        return Err(fault!(Unprocessable, "The video has no frames to save."));
    };
    writer.finish()?;
    if recording.frames_done < recording.frames_total {
        let (done, total) = (recording.frames_done, recording.frames_total);
        return Err(fault!(Internal, "Only {done} of {total} frames could be decoded again; try once more."));
    }
    publish(&part, &jobs.files.recording(&video.id, &recording.id, recording.format))
}

/// The stored frames in order, a page at a time.
struct Rows<'a> {
    jobs: &'a Jobs,
    video: &'a Video,
    cancel: &'a CancelToken,
    page: std::vec::IntoIter<FrameRow>,
    /// First frame of the next page.
    from: u64,
}

impl Rows<'_> {
    fn next(&mut self) -> Result<Option<FrameRow>> {
        if self.page.len() == 0 {
            let (store, seq, from) = (&self.jobs.store, self.video.seq, self.from);
            let read = || store.frames(seq, from, PAGE);
            let page = until_read("read the frames of a recording", &self.video.id, self.cancel, read)?;
            self.page = page.unwrap_or_default().into_iter();
        }
        let row = self.page.next();
        self.from = row.as_ref().map_or(self.from, |row| row.frame + 1);
        Ok(row)
    }
}
