//! Starts, counts and stops the work: so many videos and recordings at once, the others wait in order.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{
    Files, Hub, Models, RecordingState, Retention, Snapshot, Store, Video, VideoState, detect, now, record, stop::Stop,
};
use crate::{
    detector::Detector,
    error::{Error, Result},
    event::Task,
    fault,
    media::Limits,
    meter::Meter,
};

/// How much work is taken on.
#[derive(Clone, Debug)]
pub struct JobSettings {
    pub limits: Limits,
    pub max_queue: usize,
    pub max_running: usize,
    /// Disk space that recordings of live streams leave free, in bytes.
    pub keep_free: u64,
    pub retention: Retention,
}

/// Work of one kind: what waits and what runs.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) waiting: VecDeque<String>,
    pub(super) running: HashMap<String, Arc<Stop>>,
}

#[derive(Default)]
pub(super) struct Lanes {
    pub(super) videos: Lane,
    pub(super) recordings: Lane,
    /// Uploads that are whole and about to wait.
    coming: usize,
}

/// All videos and recordings, and the threads that work on them.
pub struct Jobs {
    pub store: Store,
    pub files: Files,
    pub hub: Hub,
    pub(super) settings: JobSettings,
    pub(super) meter: Arc<Meter>,
    models: Models,
    lanes: Mutex<Lanes>,
    ended: Condvar,
    stopping: AtomicBool,
}

impl Jobs {
    /// `models`: the first of each task is its default.
    pub fn new(
        files: Files,
        store: Store,
        models: Vec<Arc<Detector>>,
        meter: Arc<Meter>,
        settings: JobSettings,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            files,
            hub: Hub::default(),
            settings,
            meter,
            models: Models::new(models),
            lanes: Mutex::default(),
            ended: Condvar::new(),
            stopping: AtomicBool::new(false),
        })
    }

    pub fn settings(&self) -> &JobSettings {
        &self.settings
    }

    /// All models; the first of each task is its default.
    pub fn models(&self) -> &[Arc<Detector>] {
        self.models.all()
    }

    /// The model of that name, or the default one of the task.
    ///
    /// # Errors
    /// There is none, or it does another task.
    pub fn model(&self, name: Option<&str>, task: Task) -> Result<&Arc<Detector>> {
        self.models.find(name, task)
    }

    /// Refuses when as many videos wait as may.
    pub fn check_capacity(&self) -> Result<()> {
        self.check_room(&self.lock())
    }

    fn check_room(&self, lanes: &Lanes) -> Result<()> {
        if self.is_stopping() {
            return Err(fault!(Unavailable, "The server is stopping: try again in a minute."));
        }
        let most = self.settings.max_queue;
        if lanes.videos.waiting.len() + lanes.coming >= most {
            return Err(fault!(Busy, "{most} videos are waiting already: try again in a minute."));
        }
        Ok(())
    }

    /// Makes the uploaded file a video and queues it.
    pub fn add_video(self: &Arc<Self>, video: Video) -> Result<Video> {
        {
            // A place is taken before the slow part, or uploads that end together would all find room.
            let mut lanes = self.lock();
            self.check_room(&lanes)?;
            lanes.coming += 1;
        }
        let kept = self.files.keep_upload(&video.id).and_then(|()| {
            self.store.insert_video(&video).inspect_err(|_| {
                let _ = self.files.remove_video(&video.id);
            })
        });
        let mut lanes = self.lock();
        lanes.coming -= 1;
        let video = kept?;
        self.hub.publish_video(&video);
        lanes.videos.waiting.push_back(video.id.clone());
        drop(lanes);
        self.dispatch();
        Ok(video)
    }

    /// A video as it stands now.
    pub fn video(&self, id: &str) -> Result<Video> {
        if let Some(video) = self.hub.latest(id) {
            return Ok((*video).clone());
        }
        self.store.video(id)?.ok_or_else(|| fault!(NotFound, "There is no such video; it may have been deleted."))
    }

    /// A video as it stands now, and its changes from now on.
    pub fn follow(&self, id: &str) -> Result<watch::Receiver<Snapshot>> {
        // A video that is deleted in between would be announced as alive for ever.
        let _lanes = self.lock();
        let video = self.video(id)?;
        let recordings = self.store.recordings_of(id)?.into_iter().filter(|r| !r.state.is_final()).collect();
        Ok(self.hub.subscribe(id, Snapshot { video: Some(Arc::new(video)), recordings }))
    }

    /// Stops work on a video; what was found stays.
    pub fn cancel(self: &Arc<Self>, id: &str) -> Result<Video> {
        let mut lanes = self.lock();
        if let Some(stop) = lanes.videos.running.get(id) {
            stop.ask(Stop::CANCELLED);
        }
        // Read after that: what was stored up to the stop counts.
        let mut video = self.video(id)?;
        if video.state.is_final() {
            return Err(fault!(Conflict, "The video is {} already: there is nothing to cancel.", video.state.as_str()));
        }
        lanes.videos.waiting.retain(|waiting| waiting != id);
        video.state = VideoState::Cancelled;
        video.finished_at = Some(now());
        self.store.update_video(&video)?;
        self.hub.publish_video(&video);
        self.meter.videos_ended.get_or_create(&crate::meter::StateLabel { state: "cancelled" }).inc();
        Ok(video)
    }

    /// Goes on with a failed or cancelled video from its last stored frame.
    pub fn retry(self: &Arc<Self>, id: &str) -> Result<Video> {
        self.check_capacity()?;
        let mut lanes = self.lock();
        let mut video = self.video(id)?;
        if !matches!(video.state, VideoState::Failed | VideoState::Cancelled) {
            return Err(fault!(
                Conflict,
                "The video is {}: only a failed or cancelled one can be tried again.",
                video.state.as_str()
            ));
        }
        video.state = VideoState::Queued;
        (video.error, video.warning, video.finished_at, video.attempts) = (None, None, None, 0);
        self.store.update_video(&video)?;
        self.hub.publish_video(&video);
        lanes.videos.waiting.push_back(id.to_owned());
        drop(lanes);
        self.dispatch();
        Ok(video)
    }

    /// Cancels all work on a video and removes everything of it.
    pub fn delete(&self, id: &str) -> Result<()> {
        let mut lanes = self.lock();
        for recording in self.store.recordings_of(id)? {
            lanes.recordings.waiting.retain(|waiting| *waiting != recording.id);
            if let Some(stop) = lanes.recordings.running.get(&recording.id) {
                stop.ask(Stop::CANCELLED);
            }
        }
        lanes.videos.waiting.retain(|waiting| waiting != id);
        if let Some(stop) = lanes.videos.running.get(id) {
            stop.ask(Stop::CANCELLED);
        }
        if !self.store.delete_video(id)? {
            return Err(fault!(NotFound, "There is no such video; it may have been deleted."));
        }
        self.hub.remove(id);
        drop(lanes);
        self.files.remove_video(id)
    }

    /// No new work is taken on.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Ends the engines, after [`Jobs::shut_down`].
    pub fn stop_models(&self) {
        self.models.stop();
    }

    /// Ends all threads; work in progress is kept and goes on at the next start. False if some did not end in time.
    pub fn shut_down(&self, patience: Duration) -> bool {
        self.stopping.store(true, Ordering::Relaxed);
        let mut lanes = self.lock();
        lanes.videos.waiting.clear();
        lanes.recordings.waiting.clear();
        for stop in lanes.videos.running.values().chain(lanes.recordings.running.values()) {
            stop.ask(Stop::SHUTDOWN);
        }
        let busy = |lanes: &mut Lanes| !(lanes.videos.running.is_empty() && lanes.recordings.running.is_empty());
        let (_lanes, timeout) =
            self.ended.wait_timeout_while(lanes, patience, busy).unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }

    /// Stores and announces how a video stands, unless it was cancelled or deleted meanwhile.
    pub(super) fn settle_video(&self, video: &Video, stop: &Stop) -> Result<()> {
        let settle = || {
            self.store.update_video(video)?;
            self.hub.publish_video(video);
            Ok(())
        };
        stop.unless_asked(settle).unwrap_or(Ok(()))
    }

    /// Starts what may start.
    pub(super) fn dispatch(self: &Arc<Self>) {
        let mut lanes = self.lock();
        if self.stopping.load(Ordering::Relaxed) {
            return;
        }
        self.fill(&mut lanes.videos, self.settings.max_running, "video", |lanes| &mut lanes.videos, detect::run);
        // A recording costs a decoder and an encoder; two at once keep the detectors going.
        self.fill(&mut lanes.recordings, 2, "record", |lanes| &mut lanes.recordings, record::run);
        self.meter.videos_running.set(lanes.videos.running.len() as i64);
        self.meter.videos_queued.set(lanes.videos.waiting.len() as i64);
    }

    fn fill(
        self: &Arc<Self>,
        lane: &mut Lane,
        most: usize,
        name: &str,
        pick: fn(&mut Lanes) -> &mut Lane,
        work: fn(&Jobs, &str, &Stop),
    ) {
        while lane.running.len() < most {
            // One whose last thread is still ending waits for that.
            let Some(next) = lane.waiting.iter().position(|id| !lane.running.contains_key(id)) else { return };
            let Some(id) = lane.waiting.remove(next) else { return };
            let stop = Arc::new(Stop::default());
            lane.running.insert(id.clone(), stop.clone());
            let jobs = self.clone();
            let key = id.clone();
            let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
                let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&jobs, &key, &stop)));
                if worked.is_err() {
                    tracing::error!(id = %key, "a worker panicked");
                    jobs.give_up(&key);
                }
                pick(&mut jobs.lock()).running.remove(&key);
                jobs.ended.notify_all();
                jobs.dispatch();
            });
            if let Err(error) = thread {
                tracing::error!(%error, "cannot start a thread");
                lane.running.remove(&id);
                lane.waiting.push_front(id);
                return;
            }
        }
    }

    /// Marks what a panicking worker left as failed.
    fn give_up(&self, id: &str) {
        let words = || Some("Something unexpected happened inside the server; its log says more.".to_owned());
        if let Ok(Some(mut video)) = self.store.video(id) {
            (video.state, video.error, video.finished_at) = (VideoState::Failed, words(), Some(now()));
            let _ = self.store.update_video(&video);
            self.hub.publish_video(&video);
        } else if let Ok(Some(mut recording)) = self.store.recording(id) {
            (recording.state, recording.error) = (RecordingState::Failed, words());
            let _ = self.store.update_recording(&recording);
            self.hub.publish_recording(&recording);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a client may see of an error in the middle of work.
pub(super) fn words(error: &Error) -> String {
    tracing::warn!(error = %error.full(), "work failed");
    error.detail.clone()
}
