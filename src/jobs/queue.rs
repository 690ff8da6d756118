//! Starts, counts and stops the work: so many videos and recordings at once, the others wait in order.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    Files, Hub, Models, Retention, Store, Video,
    backend::{Backend, Real},
    detect,
    lanes::{Claims, Kind, Lanes, Work},
    record,
    trials::Trials,
    upkeep::Upkeep,
};
use crate::{
    cancel::{CancelToken, Reason},
    detector::Detector,
    error::{Error, Result},
    event::Task,
    media::Limits,
    meter::Meter,
};

/// A recording costs a decoder and an encoder; two at once keep the detectors going.
const MAX_RECORDING: usize = 2;

/// How much work is taken on.
#[derive(Clone, Debug)]
pub struct JobSettings {
    pub limits: Limits,
    pub max_queue: usize,
    pub max_running: usize,
    /// Disk space that uploads, detections and recordings leave free, in bytes.
    pub keep_free: u64,
    pub retention: Retention,
}

/// All videos and recordings, and the threads that work on them.
pub struct Jobs {
    pub store: Store,
    pub files: Files,
    pub hub: Hub,
    pub(super) settings: JobSettings,
    pub(super) meter: Arc<Meter>,
    pub(super) backend: Box<dyn Backend>,
    models: Models,
    /// Never held while the store is used.
    pub(super) lanes: Mutex<Lanes>,
    pub(super) claims: Claims,
    pub(super) ended: Condvar,
    pub(super) trials: Trials,
    pub(super) upkeep: Upkeep,
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
        let models = Models::new(models);
        let backend = Real { models: models.clone(), limits: settings.limits.clone() };
        Self::with_backend(files, store, models, meter, settings, Box::new(backend))
    }

    /// As [`Jobs::new`], with another decoder, detector and encoder for videos.
    pub(super) fn with_backend(
        files: Files,
        store: Store,
        models: Models,
        meter: Arc<Meter>,
        settings: JobSettings,
        backend: Box<dyn Backend>,
    ) -> Arc<Self> {
        let trials = Trials::open(&store, files.crashed());
        files.mark_running();
        let upkeep = Upkeep::new(files.last_used());
        Arc::new(Self {
            trials,
            upkeep,
            store,
            files,
            hub: Hub::default(),
            settings,
            meter,
            backend,
            models,
            lanes: Mutex::default(),
            claims: Claims::default(),
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

    /// Makes the uploaded file a video and queues it.
    ///
    /// # Errors
    /// As many wait as may, or it cannot be stored.
    pub fn add_video(self: &Arc<Self>, video: Video) -> Result<Video> {
        let place = self.reserve(Kind::Video)?;
        let _claim = self.claims.claim(&video.id);
        self.files.keep_upload(&video.id)?;
        let video = self.store.insert_video(&video).inspect_err(|_| {
            if let Err(error) = self.files.remove_video(&video.id) {
                tracing::warn!(id = video.id, error = %error.full(), "cannot remove the files of a video");
            }
        })?;
        self.hub.publish_video(&video);
        place.fill(video.id.clone());
        self.dispatch();
        Ok(video)
    }

    /// No new work is taken on.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Ends the engines, after [`Jobs::shut_down`]. False if some did not end in time.
    pub fn stop_models(&self, patience: Duration) -> bool {
        self.models.stop(patience)
    }

    /// Ends all threads; work in progress is kept and goes on at the next start. False if some did not end in time.
    pub fn shut_down(&self, patience: Duration) -> bool {
        self.stopping.store(true, Ordering::Release);
        self.files.mark_clean_stop();
        let tokens: Vec<CancelToken> = {
            let mut lanes = self.lock();
            let lanes = [Kind::Video, Kind::Recording].map(|kind| {
                let lane = lanes.lane(kind);
                lane.waiting.clear();
                lane.running.values().cloned().collect::<Vec<_>>()
            });
            lanes.into_iter().flatten().collect()
        };
        for token in tokens {
            token.cancel(Reason::Shutdown);
        }
        let waited = self.ended.wait_timeout_while(self.lock(), patience, |lanes| !lanes.is_idle());
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Starts what may start.
    pub(super) fn dispatch(self: &Arc<Self>) {
        let mut lanes = self.lock();
        if self.is_stopping() {
            return;
        }
        self.fill(&mut lanes, Kind::Video, self.settings.max_running);
        self.fill(&mut lanes, Kind::Recording, MAX_RECORDING);
        self.count(&mut lanes);
    }

    /// Tells the meter how many videos are worked on and wait.
    fn count(&self, lanes: &mut Lanes) {
        let videos = lanes.lane(Kind::Video);
        self.meter.videos_running.set(videos.running.len() as i64);
        self.meter.videos_queued.set(videos.waiting.len() as i64);
    }

    fn fill(self: &Arc<Self>, lanes: &mut Lanes, kind: Kind, most: usize) {
        let lane = lanes.lane(kind);
        while lane.running.len() < most
            && let Some(id) = lane.take_next()
        {
            let cancel = CancelToken::default();
            lane.running.insert(id.clone(), cancel.clone());
            let (jobs, work) = (self.clone(), kind.of(id.clone()));
            let name = if kind == Kind::Video { "video" } else { "record" };
            let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
                jobs.work(&work, &cancel);
                jobs.lock().lane(work.kind()).running.remove(work.id());
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

    /// A thread's work; a panic in it ends this work alone.
    fn work(&self, work: &Work, cancel: &CancelToken) {
        let worked = catch_unwind(AssertUnwindSafe(|| match work {
            Work::Video(id) => detect::run(self, id, cancel),
            Work::Recording(id) => record::run(self, id, cancel),
        }));
        if worked.is_ok() {
            return;
        }
        tracing::error!(?work, "a worker panicked");
        let detail = "Something unexpected happened inside the server; its log says more.";
        let given_up = catch_unwind(AssertUnwindSafe(|| match work {
            Work::Video(id) => detect::give_up(self, id, detail, cancel),
            Work::Recording(id) => record::give_up(self, id, detail, cancel),
        }));
        if given_up.is_err() {
            tracing::error!(?work, "cannot mark it as failed: it goes on at the next start");
        }
    }
}

/// What a client may see of an error in the middle of work.
pub(super) fn words(error: &Error) -> String {
    tracing::warn!(error = %error.full(), "work failed");
    error.detail.clone()
}
