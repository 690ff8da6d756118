//! One video's work: decode, detect, store, announce.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    Activity, FrameRow, Jobs, Transition, Video, VideoState,
    backend::InFlight,
    now,
    queue::words,
    retry::{until_read, until_stored},
    suspects,
};
use crate::{
    cancel::{CancelToken, Reason},
    error::{Error, Kind, Result},
    event::round,
    frame::{FrameTag, Size},
    meter::StateLabel,
};

/// Frames found within this time are stored in one transaction: a screen's refresh or two, so nobody sees the delay.
const COMMIT_EVERY: Duration = Duration::from_millis(33);
/// No more than this many wait for a transaction.
const COMMIT_ROWS: usize = 64;
/// What viewers are told while the disk is full.
const NO_ROOM: &str = "The server's disk is full: detection goes on by itself when there is room.";
/// The span over which the rate is told while work runs.
const RATE_SPAN: Duration = Duration::from_secs(3);

/// Works on video `id` until its end, an error, or until it is cancelled.
pub(super) fn run(jobs: &Jobs, id: &str, cancel: &CancelToken) {
    let Some(activity) = jobs.trials.enter(&jobs.store, suspects::video(id), &|| cancel.is_cancelled()) else { return };
    let Some(mut video) = load(jobs, id, cancel) else { return };
    let begun = (Instant::now(), video.frames_done);
    video.state = VideoState::Running;
    let outcome = match put(jobs, &video, cancel) {
        Ok(Some(Transition::Stored)) => detect(jobs, &mut video, cancel, &activity),
        // Cancelled or deleted before it began.
        Ok(Some(Transition::Rejected) | None) => return,
        Err(error) => Err(error),
    };
    match outcome {
        _ if cancel.is_cancelled() => return put_away(jobs, &video, cancel),
        Ok(Found::Everything(warning)) => {
            video.state = VideoState::Done;
            video.warning = warning;
            video.frames_total = Some(video.frames_done);
            let seconds = begun.0.elapsed().as_secs_f64();
            let rate = (video.frames_done - begun.1) as f64 / seconds.max(1e-3);
            video.detect_fps = Some(round(rate, 1));
        }
        Ok(Found::Rejected) => {
            tracing::debug!(id, "the store has ended a video that was worked on");
            return;
        }
        Err(error) => {
            video.state = VideoState::Failed;
            video.error = Some(words(&error));
        }
    }
    activity.finish();
    finish(jobs, video, cancel);
}

/// Marks the video of a worker that panicked as failed.
pub(super) fn give_up(jobs: &Jobs, id: &str, detail: &str, cancel: &CancelToken) {
    if let Some(mut video) = load(jobs, id, cancel) {
        (video.state, video.error) = (VideoState::Failed, Some(detail.to_owned()));
        finish(jobs, video, cancel);
    }
}

/// The video to be worked on, if there still is work to do on it.
fn load(jobs: &Jobs, id: &str, cancel: &CancelToken) -> Option<Video> {
    match until_read("read a video that is to be worked on", id, cancel, || jobs.store.video(id)) {
        Ok(video) => video.flatten().filter(|video| !video.state.is_final()),
        Err(error) => {
            // As it was announced when it began to wait.
            let mut video = (*jobs.hub.latest(id)?).clone();
            (video.state, video.error) = (VideoState::Failed, Some(error.detail));
            finish(jobs, video, cancel);
            None
        }
    }
}

/// Stores how the work ended, then announces it. It is tried until the store takes it.
fn finish(jobs: &Jobs, mut video: Video, cancel: &CancelToken) {
    video.finished_at = Some(now());
    // An error is in the log: the video stays as it is stored, and goes on at the next start.
    if let Ok(Some(Transition::Stored)) = put(jobs, &video, cancel) {
        jobs.meter.videos_ended.get_or_create(&StateLabel { state: video.state.as_str() }).inc();
    }
}

/// At shutdown the state stays `running`. Cancelled and deleted videos were stored by who cancelled or deleted them.
fn put_away(jobs: &Jobs, video: &Video, cancel: &CancelToken) {
    if cancel.reason() == Some(Reason::Shutdown)
        && let Err(error) = jobs.store.update_video(video)
    {
        tracing::warn!(id = video.id, error = %error.full(), "cannot store how a video stands");
    }
}

/// Stores and announces how a video stands, as soon as the store can take it; None when it is cancelled.
fn put(jobs: &Jobs, video: &Video, cancel: &CancelToken) -> Result<Option<Transition>> {
    let attempt = || {
        cancel.unless_cancelled(|| {
            let transition = jobs.store.update_video(video)?;
            if transition == Transition::Stored {
                jobs.hub.publish_video(video);
            }
            Ok(transition)
        })
    };
    until_stored("store how a video stands", &video.id, cancel, attempt, |error| {
        announce_wait(jobs, video, error, cancel);
    })
}

/// A disk that is full for a while must cost no work: it is waited for, and viewers are told.
fn announce_wait(jobs: &Jobs, video: &Video, error: &Error, cancel: &CancelToken) {
    let known = jobs.hub.latest(&video.id).is_some_and(|known| known.warning.as_deref() == Some(NO_ROOM));
    if error.kind == Kind::DiskFull && !known {
        let waiting =
            Video { state: VideoState::Running, warning: Some(NO_ROOM.into()), finished_at: None, ..video.clone() };
        cancel.unless_cancelled(|| jobs.hub.publish_video(&waiting));
    }
}

/// How far the work came.
enum Found {
    /// All frames, with a warning for viewers, if any.
    Everything(Option<String>),
    /// The store takes nothing more of this video.
    Rejected,
}

fn detect(jobs: &Jobs, video: &mut Video, cancel: &CancelToken, activity: &Activity<'_>) -> Result<Found> {
    let model = jobs.backend.detector(&video.model)?;
    let mut source = jobs.backend.open(&video.id, &jobs.files.source(&video.id), cancel)?;
    let mut run = Run {
        jobs,
        cancel,
        activity,
        in_flight: VecDeque::new(),
        rows: Vec::new(),
        committed: Instant::now(),
        marks: VecDeque::from([(Instant::now(), video.frames_done)]),
        rejected: false,
        video,
    };
    // Decoding again up to the last stored frame is the one way that counts the same frames in every container.
    let resume_at = run.video.frames_done;
    while !run.rejected {
        cancel.check()?;
        let Some(frame) = source.next_frame()? else {
            run.drain()?;
            if run.rejected {
                return Ok(Found::Rejected);
            }
            (run.video.duration, run.video.duration_estimated) = (Some(source.end()), false);
            return Ok(Found::Everything(source.warning()));
        };
        if frame.tag.frame < resume_at {
            continue;
        }
        while run.in_flight.len() >= model.depth() {
            run.collect()?;
        }
        let pending = model.submit(&frame, cancel)?;
        run.in_flight.push_back(Sent { since: Instant::now(), tag: frame.tag.clone(), size: frame.size, pending });
    }
    Ok(Found::Rejected)
}

/// A frame on its way through the engine.
struct Sent {
    since: Instant,
    tag: FrameTag,
    size: Size,
    pending: Box<dyn InFlight>,
}

struct Run<'a> {
    jobs: &'a Jobs,
    cancel: &'a CancelToken,
    activity: &'a Activity<'a>,
    video: &'a mut Video,
    /// In the order of the frames.
    in_flight: VecDeque<Sent>,
    /// Found, not yet stored.
    rows: Vec<FrameRow>,
    committed: Instant,
    /// Moments and counts by which the rate is told.
    marks: VecDeque<(Instant, u64)>,
    /// The store takes nothing more of this video.
    rejected: bool,
}

impl Run<'_> {
    /// Waits for the oldest frame and stores what is due.
    fn collect(&mut self) -> Result<()> {
        let Some(sent) = self.in_flight.pop_front() else { return Ok(()) };
        let found = sent.pending.wait(self.video.threshold)?;
        let meter = &self.jobs.meter;
        meter.detections.inc_by(found.len() as u64);
        meter.frame_seconds.observe(sent.since.elapsed().as_secs_f64());
        self.rows.push(FrameRow {
            frame: sent.tag.frame,
            time: sent.tag.time,
            width: sent.size.width,
            height: sent.size.height,
            detections: serde_json::to_string(&found)
                .map_err(|error| Error::internal("Detections could not be written.", error))?,
        });
        let due = self.committed.elapsed() >= COMMIT_EVERY || self.rows.len() >= COMMIT_ROWS;
        if due { self.commit() } else { Ok(()) }
    }

    fn drain(&mut self) -> Result<()> {
        while !self.rejected && !self.in_flight.is_empty() {
            self.collect()?;
        }
        self.commit()
    }

    /// Stores first, announces then.
    fn commit(&mut self) -> Result<()> {
        let Some(last) = self.rows.last() else { return Ok(()) };
        let (done, jobs, cancel, activity) = (last.frame + 1, self.jobs, self.cancel, self.activity);
        // As it was announced last; the store itself is at most as far.
        let video = self.video.clone();
        let attempt = || {
            activity.pause_point(&|| cancel.is_cancelled());
            // Rows leave as much of the disk free as uploads do.
            cancel.unless_cancelled(|| jobs.check_disk().and_then(|()| self.store_and_announce(done)))
        };
        until_stored("store detections", &video.id, cancel, attempt, |error| {
            announce_wait(jobs, &video, error, cancel);
        })?;
        Ok(())
    }

    fn store_and_announce(&mut self, frames_done: u64) -> Result<()> {
        if self.jobs.store.append_frames(self.video.seq, &self.rows)? == Transition::Rejected {
            self.rejected = true;
            return Ok(());
        }
        self.jobs.meter.frames_detected.inc_by(self.rows.len() as u64);
        self.video.frames_done = frames_done;
        self.activity.progress(frames_done);
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
