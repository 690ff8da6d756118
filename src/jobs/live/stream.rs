//! The stream object of the API, and the one live stream that its thread, its viewers and handlers share.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};

use super::{pictures::Pictures, rates::Rates, recorder::RecorderSlot};
use crate::{cancel::CancelToken, error::Error, event::Event};

/// What a stream's pictures come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// A WHIP session.
    Webrtc,
    /// Pictures over a camera socket.
    Jpeg,
    /// A network camera.
    Network,
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// No picture has come yet.
    Connecting,
    Live,
    Paused,
    /// It gave nothing; it is tried again by itself.
    Reconnecting,
    /// A network camera of an earlier start for which there is no place: it is connected when another stream ends.
    Waiting,
    Ended,
}

/// A live stream and how it goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StreamInfo {
    pub id: String,
    pub kind: StreamKind,
    pub name: String,
    /// Of a network camera, without user, password and other secrets.
    pub url: Option<String>,
    pub state: StreamState,
    pub model: String,
    /// Detections below this score are not told.
    pub threshold: f32,
    /// Of the newest picture, upright.
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub codec: Option<String>,
    /// Frames with detections.
    pub frames_done: u64,
    /// A live stream has no end that is known: always null.
    pub frames_total: Option<u64>,
    /// Decoded frames that gave way to newer ones.
    pub frames_dropped: u64,
    /// Frames a second that come, and that are worked on; over the last seconds.
    pub source_fps: Option<f64>,
    pub detect_fps: Option<f64>,
    /// Median of the last seconds, from a picture's arrival at the server to its detections.
    pub latency_ms: Option<f64>,
    /// Id of the recording that is being written.
    pub recording: Option<String>,
    /// Why a network camera gives nothing, and what to do.
    pub error: Option<String>,
    /// When it is tried again, RFC 3339.
    pub retry_at: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// The store's number of it: later ones are higher.
    #[serde(skip)]
    pub seq: i64,
}

/// One running stream.
pub struct Stream {
    info: Mutex<StreamInfo>,
    threshold: f32,
    paused: AtomicBool,
    pub(super) stop: CancelToken,
    pub(super) rates: Mutex<Rates>,
    pub(super) recorder: Mutex<RecorderSlot>,
    /// Events as JSON, each serialized once for all viewers.
    events: broadcast::Sender<Arc<str>>,
    pub pictures: Arc<Pictures>,
    /// True once nothing more will come.
    ended: watch::Sender<bool>,
}

/// Events that a slow viewer may be behind before it misses some.
const BEHIND: usize = 64;

impl Stream {
    pub(super) fn new(info: StreamInfo) -> Self {
        let paused = info.state == StreamState::Paused;
        Self {
            threshold: info.threshold,
            info: Mutex::new(info),
            paused: AtomicBool::new(paused),
            stop: CancelToken::default(),
            rates: Mutex::default(),
            recorder: Mutex::default(),
            events: broadcast::Sender::new(BEHIND),
            pictures: Arc::default(),
            ended: watch::Sender::new(false),
        }
    }

    /// Tells everybody that it is over.
    pub(super) fn end(&self) {
        self.settle(|info| info.state = StreamState::Ended);
        self.tell(&text(&Event::<(), ()>::End));
        self.pictures.close();
        self.ended.send_replace(true);
    }

    /// Becomes true when nothing more will come.
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// How it stands now.
    pub fn info(&self) -> StreamInfo {
        let mut info = self.lock().clone();
        let rates = lock(&self.rates).read();
        (info.source_fps, info.detect_fps, info.latency_ms) = (rates.source_fps, rates.detect_fps, rates.latency_ms);
        info.recording = lock(&self.recorder).id().map(str::to_owned);
        info
    }

    /// Looks at how it stands, without a copy.
    pub(super) fn look<T>(&self, look: impl FnOnce(&StreamInfo) -> T) -> T {
        look(&self.lock())
    }

    /// Changes how it stands, without telling.
    pub(super) fn change(&self, change: impl FnOnce(&mut StreamInfo)) {
        change(&mut self.lock());
    }

    /// Changes how it stands and tells the viewers.
    pub(super) fn settle(&self, change: impl FnOnce(&mut StreamInfo)) {
        self.change(change);
        self.tell_status();
    }

    pub(super) fn tell_status(&self) {
        self.tell(&self.status());
    }

    /// The status event.
    pub fn status(&self) -> Arc<str> {
        text(&Event::<_, ()>::Status(self.info()))
    }

    pub(super) fn tell_error(&self, error: &Error) {
        self.tell(&text(&Event::<(), ()>::Error { detail: error.detail.clone() }));
    }

    /// Sends an event to whoever follows.
    pub(super) fn tell(&self, event: &Arc<str>) {
        // An error means that nobody follows.
        let _ = self.events.send(event.clone());
    }

    /// The end at which events are sent, for a thread that may outlive the stream.
    pub(super) fn events(&self) -> broadcast::Sender<Arc<str>> {
        self.events.clone()
    }

    /// Events from now on.
    pub fn follow(&self) -> broadcast::Receiver<Arc<str>> {
        self.events.subscribe()
    }

    pub(super) fn threshold(&self) -> f32 {
        self.threshold
    }

    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// No more inference is spent on it, or again. True when that is a change.
    pub fn pause(&self, paused: bool) -> bool {
        if self.paused.swap(paused, Ordering::Relaxed) == paused {
            return false;
        }
        self.settle(|info| match (paused, info.state) {
            (true, StreamState::Live) => info.state = StreamState::Paused,
            // The next picture makes it live.
            (false, StreamState::Paused) => info.state = StreamState::Connecting,
            _ => {}
        });
        true
    }

    fn lock(&self) -> MutexGuard<'_, StreamInfo> {
        lock(&self.info)
    }
}

/// A value stays usable when a thread panicked while it held the lock.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An event as it is sent.
pub(super) fn text(event: &impl Serialize) -> Arc<str> {
    serde_json::to_string(event).unwrap_or_default().into()
}
