//! Live streams: cameras of visitors and network cameras. Each has a thread of its own, so that a slow or dead one holds
//! up no other; [`Streams`] starts, finds, counts and ends them.

mod crew;
mod network;
mod pictures;
mod rates;
mod recorder;
mod recording;
mod stream;
mod worker;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crew::Crew;
use stream::lock;
use worker::Worker;

pub use network::NewNetworkStream;
pub use pictures::{Follower, Shown};
pub use stream::{Stream, StreamInfo, StreamKind, StreamState};
pub use worker::{Direct, Manner};

use super::{Jobs, new_id, now};
use crate::{
    cancel::Reason,
    detector::Detector,
    error::Result,
    event::Task,
    fault,
    media::{LiveSource, NetworkRules},
};

/// How long `DELETE` waits for a stream's thread: its answer is due within two seconds.
const DELETE_PATIENCE: Duration = Duration::from_millis(1500);

/// What live streams may do.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// Streams at the same time.
    pub most: usize,
    pub rules: NetworkRules,
    /// A source that gives nothing for so long is taken for gone.
    pub silence: Duration,
}

/// What a visitor's camera asks for.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub name: Option<String>,
    pub model: Option<String>,
    pub threshold: Option<f32>,
}

/// All live streams.
pub struct Streams {
    pub jobs: Arc<Jobs>,
    settings: StreamSettings,
    /// In the order in which they came.
    running: Mutex<Vec<Running>>,
    /// All threads, those of recordings too.
    crew: Crew,
}

struct Running {
    id: String,
    stream: Arc<Stream>,
    thread: Crew,
}

impl Streams {
    pub fn new(jobs: Arc<Jobs>, settings: StreamSettings) -> Arc<Self> {
        Arc::new(Self { jobs, settings, running: Mutex::default(), crew: Crew::default() })
    }

    pub fn settings(&self) -> &StreamSettings {
        &self.settings
    }

    /// All streams, newest first.
    pub fn list(&self) -> Vec<StreamInfo> {
        let running: Vec<Arc<Stream>> = lock(&self.running).iter().map(|running| running.stream.clone()).collect();
        running.iter().rev().map(|stream| stream.info()).collect()
    }

    pub fn get(&self, id: &str) -> Result<Arc<Stream>> {
        let running = lock(&self.running);
        let found = running.iter().find(|running| running.id == id).map(|running| running.stream.clone());
        found.ok_or_else(|| fault!(NotFound, "There is no such stream; it may have ended."))
    }

    /// Refuses when as many streams run as may.
    pub fn check_room(&self) -> Result<()> {
        let most = self.settings.most;
        if lock(&self.running).len() >= most {
            return Err(fault!(Busy, "{most} live streams run already: end one, or try again in a minute."));
        }
        Ok(())
    }

    /// What a new stream starts with.
    pub fn describe(&self, kind: StreamKind, wishes: Wishes) -> Result<StreamInfo> {
        let model = self.jobs.model(wishes.model.as_deref(), Task::Detect)?.info();
        let usual = match kind {
            StreamKind::Network => "Network camera",
            StreamKind::Webrtc | StreamKind::Jpeg => "Camera",
        };
        let name = wishes.name.map(|name| name.chars().filter(|c| !c.is_control()).take(120).collect::<String>());
        Ok(StreamInfo {
            id: new_id(),
            kind,
            name: name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| usual.into()),
            url: None,
            state: StreamState::Connecting,
            model: model.name.clone(),
            threshold: wishes.threshold.unwrap_or(model.threshold),
            width: None,
            height: None,
            codec: None,
            frames_done: 0,
            frames_total: None,
            frames_dropped: 0,
            source_fps: None,
            detect_fps: None,
            latency_ms: None,
            recording: None,
            error: None,
            retry_at: None,
            created_at: now(),
            seq: 0,
        })
    }

    /// Works on a visitor's camera, which ends with its source.
    pub fn start(
        self: &Arc<Self>,
        info: StreamInfo,
        mut source: Box<dyn LiveSource>,
        manner: Manner,
    ) -> Result<Arc<Stream>> {
        let model = self.jobs.model(Some(&info.model), Task::Detect)?.clone();
        self.run(info, move |streams, stream| {
            let outcome = Worker::new(&streams.jobs, stream, manner, 0).run(source.as_mut(), &model);
            if let Err(error) = outcome {
                tracing::info!(id = stream.info().id, error = %error.full(), "a camera's stream broke");
                stream.tell_error(&error);
                stream.change(|info| info.error = Some(error.detail));
            }
        })
    }

    /// Gives a stream its thread. It is found by its id until `work` returns.
    fn run(
        self: &Arc<Self>,
        info: StreamInfo,
        work: impl FnOnce(&Self, &Arc<Stream>) + Send + 'static,
    ) -> Result<Arc<Stream>> {
        let id = info.id.clone();
        let stream = Arc::new(Stream::new(info));
        let thread = Crew::default();
        let members = (thread.join(), self.crew.join());
        {
            let mut running = lock(&self.running);
            if self.jobs.is_stopping() {
                return Err(fault!(Unavailable, "The server is stopping: try again in a minute."));
            }
            if running.len() >= self.settings.most {
                let most = self.settings.most;
                return Err(fault!(Busy, "{most} live streams run already: end one, or try again in a minute."));
            }
            running.push(Running { id: id.clone(), stream: stream.clone(), thread });
            self.jobs.meter.streams.set(running.len() as i64);
        }
        let (streams, mine) = (self.clone(), stream.clone());
        let spawned = std::thread::Builder::new().name("stream".into()).spawn(move || {
            let _members = members;
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&streams, &mine)));
            if worked.is_err() {
                tracing::error!(id = mine.info().id, "a stream's worker panicked");
            }
            // Dropped here, so that the recording is whole soon after.
            lock(&mine.recorder).take();
            mine.end();
            streams.forget(&mine.info().id);
            crate::heap::trim();
        });
        if let Err(error) = spawned {
            self.forget(&id);
            return Err(error.into());
        }
        Ok(stream)
    }

    fn forget(&self, id: &str) {
        let mut running = lock(&self.running);
        running.retain(|running| running.id != id);
        self.jobs.meter.streams.set(running.len() as i64);
    }

    /// Ends a stream and forgets it. Waits for its thread, but not long: a source that hangs is left to its own end.
    pub fn delete(&self, id: &str) -> Result<()> {
        let (stream, thread) = {
            let mut running = lock(&self.running);
            let at = running.iter().position(|running| running.id == id);
            let at = at.ok_or_else(|| fault!(NotFound, "There is no such stream; it may have ended."))?;
            let Running { stream, thread, .. } = running.remove(at);
            self.jobs.meter.streams.set(running.len() as i64);
            (stream, thread)
        };
        if stream.look(|info| info.kind == StreamKind::Network) {
            self.jobs.store.delete_stream(id)?;
        }
        stream.stop.cancel(Reason::Cancelled);
        thread.wait(DELETE_PATIENCE);
        Ok(())
    }

    /// Ends all streams; network cameras are there again at the next start. False if some did not end in time.
    pub fn shut_down(&self, patience: Duration) -> bool {
        let streams: Vec<Arc<Stream>> = lock(&self.running).iter().map(|running| running.stream.clone()).collect();
        for stream in streams {
            stream.stop.cancel(Reason::Shutdown);
        }
        self.crew.wait(patience)
    }

    /// The model of a stream, by the name that the stream keeps.
    fn model(&self, stream: &Stream) -> Result<Arc<Detector>> {
        self.jobs.model(Some(&stream.look(|info| info.model.clone())), Task::Detect).cloned()
    }
}
