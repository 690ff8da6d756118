//! One video's work: decode, detect, store, announce.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{FrameRow, Jobs, Video, VideoState, now, queue::words, stop::Stop};
use crate::{
    detector::Pending,
    error::{Kind, Result},
    event::{Task, round},
    frame::{FrameTag, Size},
    media::FileSource,
    meter::StateLabel,
};

/// Frames found within this time are stored in one transaction: a screen's refresh or two, so nobody sees the delay.
const COMMIT_EVERY: Duration = Duration::from_millis(33);
/// No more than this many wait for a transaction.
const COMMIT_ROWS: usize = 64;
/// How often a full disk is looked at again, and what viewers are told meanwhile.
const ROOM_EVERY: Duration = Duration::from_secs(2);
const NO_ROOM: &str = "The server's disk is full: detection goes on by itself when there is room.";
/// The span over which the rate is told while work runs.
const RATE_SPAN: Duration = Duration::from_secs(3);

/// Works on video `id` until its end, an error or `stop`.
pub(super) fn run(jobs: &Jobs, id: &str, stop: &Stop) {
    let Ok(Some(mut video)) = jobs.store.video(id) else { return };
    let begun = (Instant::now(), video.frames_done);
    video.state = VideoState::Running;
    video.attempts += 1;
    let outcome = settle(jobs, &video, stop).and_then(|()| detect(jobs, &mut video, stop));
    video.attempts = 0;
    match outcome {
        // Cancelled and deleted ones were settled by who asked; at shutdown the state stays `running`, and a start that
        // was ended in order is no sign of a file that brings the process down.
        Ok(_) if stop.asked() => {
            if stop.for_shutdown()
                && let Err(error) = jobs.store.update_video(&video)
            {
                tracing::warn!(id, error = %error.full(), "cannot store how a video stands");
            }
            return;
        }
        Ok(warning) => {
            video.state = VideoState::Done;
            video.warning = warning;
            video.frames_total = Some(video.frames_done);
            let seconds = begun.0.elapsed().as_secs_f64();
            let rate = (video.frames_done - begun.1) as f64 / seconds.max(1e-3);
            video.detect_fps = Some(round(rate, 1));
        }
        Err(error) => {
            video.state = VideoState::Failed;
            video.error = Some(words(&error));
        }
    }
    video.finished_at = Some(now());
    jobs.meter.videos_ended.get_or_create(&StateLabel { state: video.state.as_str() }).inc();
    if let Err(error) = settle(jobs, &video, stop) {
        tracing::error!(id, error = %error.full(), "cannot store how a video ended");
    }
}

/// Stores and announces how a video stands, as soon as there is room for it.
fn settle(jobs: &Jobs, video: &Video, stop: &Stop) -> Result<()> {
    loop {
        match jobs.settle_video(video, stop) {
            Err(error) if error.kind == Kind::DiskFull => wait_for_room(jobs, video, stop),
            outcome => return outcome,
        }
    }
}

/// A disk that is full for a while must cost no work: it is waited for, and viewers are told.
fn wait_for_room(jobs: &Jobs, video: &Video, stop: &Stop) {
    let told = jobs.hub.latest(&video.id).is_some_and(|known| known.warning.as_deref() == Some(NO_ROOM));
    if !told {
        tracing::warn!(id = %video.id, "the disk is full: waiting for room");
        let waiting =
            Video { state: VideoState::Running, warning: Some(NO_ROOM.into()), finished_at: None, ..video.clone() };
        let _ = stop.unless_asked(|| jobs.hub.publish_video(&waiting));
    }
    stop.wait(ROOM_EVERY);
}

/// Returns the warning that the viewer should read, if any.
fn detect(jobs: &Jobs, video: &mut Video, stop: &Stop) -> Result<Option<String>> {
    let model = jobs.model(Some(&video.model), Task::Detect)?.clone();
    let mut source = FileSource::open(&video.id, &jobs.files.source(&video.id), &jobs.settings.limits)?;
    let mut run = Run {
        jobs,
        stop,
        pending: VecDeque::new(),
        rows: Vec::new(),
        committed: Instant::now(),
        marks: VecDeque::from([(Instant::now(), video.frames_done)]),
        video,
    };
    // Decoding again up to the last stored frame is the one way that counts the same frames in every container.
    let resume_at = run.video.frames_done;
    while !stop.asked() {
        let Some(frame) = source.next_frame()? else {
            run.drain()?;
            return Ok(source.warning());
        };
        if frame.tag.frame < resume_at {
            continue;
        }
        while run.pending.len() >= model.depth() {
            run.collect()?;
        }
        let pending = model.submit(&frame)?;
        run.pending.push_back(Flying { since: Instant::now(), tag: frame.tag.clone(), size: frame.size, pending });
    }
    Ok(None)
}

/// A frame on its way through the engine.
struct Flying {
    since: Instant,
    tag: FrameTag,
    size: Size,
    pending: Pending,
}

struct Run<'a> {
    jobs: &'a Jobs,
    stop: &'a Stop,
    video: &'a mut Video,
    /// In the order of the frames.
    pending: VecDeque<Flying>,
    /// Found, not yet stored.
    rows: Vec<FrameRow>,
    committed: Instant,
    /// Moments and counts by which the rate is told.
    marks: VecDeque<(Instant, u64)>,
}

impl Run<'_> {
    /// Waits for the oldest frame and stores what is due.
    fn collect(&mut self) -> Result<()> {
        let Some(flying) = self.pending.pop_front() else { return Ok(()) };
        let found = flying.pending.wait(self.video.threshold)?;
        let meter = &self.jobs.meter;
        meter.detections.inc_by(found.len() as u64);
        meter.frame_seconds.observe(flying.since.elapsed().as_secs_f64());
        self.rows.push(FrameRow {
            frame: flying.tag.frame,
            time: flying.tag.time,
            width: flying.size.width,
            height: flying.size.height,
            detections: serde_json::to_string(&found)
                .map_err(|error| crate::error::Error::internal("Detections could not be written.", error))?,
        });
        let due = self.committed.elapsed() >= COMMIT_EVERY || self.rows.len() >= COMMIT_ROWS;
        if due { self.commit() } else { Ok(()) }
    }

    fn drain(&mut self) -> Result<()> {
        while !self.pending.is_empty() {
            self.collect()?;
        }
        self.commit()
    }

    /// Stores first, announces then.
    fn commit(&mut self) -> Result<()> {
        let Some(last) = self.rows.last() else { return Ok(()) };
        let done = last.frame + 1;
        let stop = self.stop;
        loop {
            match stop.unless_asked(|| self.store_and_tell(done)) {
                Some(Err(error)) if error.kind == Kind::DiskFull => wait_for_room(self.jobs, self.video, stop),
                outcome => return outcome.unwrap_or(Ok(())),
            }
        }
    }

    fn store_and_tell(&mut self, frames_done: u64) -> Result<()> {
        self.jobs.store.append_frames(self.video.seq, &self.rows)?;
        self.jobs.meter.frames_detected.inc_by(self.rows.len() as u64);
        self.video.frames_done = frames_done;
        self.rows.clear();
        self.committed = Instant::now();
        self.marks.push_back((self.committed, self.video.frames_done));
        while self.marks.len() > 2 && self.marks[1].0.elapsed() > RATE_SPAN {
            self.marks.pop_front();
        }
        let (then, before) = self.marks[0];
        let rate = (self.video.frames_done - before) as f64 / then.elapsed().as_secs_f64().max(1e-3);
        self.video.detect_fps = Some(round(rate, 1));
        self.video.frames_total = self.video.frames_total.map(|total| total.max(self.video.frames_done));
        self.jobs.hub.publish_video(self.video);
        Ok(())
    }
}
