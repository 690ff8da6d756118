//! Live streams: cameras of visitors and network cameras. Each has a thread of its own, so that a slow or dead one holds
//! up no other; [`Streams`] starts, finds, counts and ends them.

mod crew;
#[cfg(test)]
mod fakes;
mod network;
mod pictures;
mod rates;
mod recorder;
mod recording;
#[cfg(test)]
mod recording_tests;
mod stream;
mod worker;
#[cfg(test)]
mod worker_tests;
mod writer;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crew::{Closing, Crew};
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
    error::{Error, Result},
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
    closing: Closing,
}

struct Running {
    id: String,
    stream: Arc<Stream>,
    thread: Crew,
    /// The whole address of a network camera that has no thread yet, because as many streams run as may.
    waiting: Option<String>,
}

/// Streams that have a thread.
fn active(running: &[Running]) -> usize {
    running.iter().filter(|running| running.waiting.is_none()).count()
}

impl Streams {
    pub fn new(jobs: Arc<Jobs>, settings: StreamSettings) -> Arc<Self> {
        Arc::new(Self { jobs, settings, running: Mutex::default(), crew: Crew::default(), closing: Closing::default() })
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
        self.check_places(&lock(&self.running))
    }

    fn check_places(&self, running: &[Running]) -> Result<()> {
        match active(running) < self.settings.most {
            true => Ok(()),
            false => Err(self.no_place()),
        }
    }

    fn no_place(&self) -> Error {
        fault!(Busy, "{} live streams run already: end one, or try again in a minute.", self.settings.most)
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
            let outcome = Worker::new(&streams.jobs, stream, manner, 0).run(source.as_mut(), &*model);
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
        let stream = Arc::new(Stream::new(info));
        let (id, thread) = (stream.info().id, Crew::default());
        {
            let mut running = lock(&self.running);
            if self.jobs.is_stopping() {
                return Err(fault!(Unavailable, "The server is stopping: try again in a minute."));
            }
            self.check_places(&running)?;
            running.push(Running { id: id.clone(), stream: stream.clone(), thread: thread.clone(), waiting: None });
            self.count(&running);
        }
        self.spawn(&stream, &thread, work).inspect_err(|_| self.forget(&id))?;
        Ok(stream)
    }

    /// Starts the thread of a stream that is in the list.
    fn spawn(
        self: &Arc<Self>,
        stream: &Arc<Stream>,
        thread: &Crew,
        work: impl FnOnce(&Self, &Arc<Stream>) + Send + 'static,
    ) -> Result<()> {
        let members = (thread.join(), self.crew.join());
        let (streams, mine) = (self.clone(), stream.clone());
        std::thread::Builder::new().name("stream".into()).spawn(move || {
            let _members = members;
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&streams, &mine)));
            if worked.is_err() {
                tracing::error!(id = mine.info().id, "a stream's worker panicked");
            }
            // Here, so that the recording is whole soon after, and no other one is started.
            lock(&mine.recorder).close();
            mine.end();
            streams.forget(&mine.info().id);
            crate::heap::trim();
        })?;
        Ok(())
    }

    fn count(&self, running: &[Running]) {
        self.jobs.meter.streams.set(active(running) as i64);
    }

    fn forget(self: &Arc<Self>, id: &str) {
        let mut running = lock(&self.running);
        running.retain(|running| running.id != id);
        self.count(&running);
        drop(running);
        self.start_waiting();
    }

    /// Ends a stream and forgets it. Waits for its thread, but not long: a source that hangs is left to its own end.
    pub fn delete(self: &Arc<Self>, id: &str) -> Result<()> {
        if self.get(id)?.look(|info| info.kind == StreamKind::Network) {
            // Before it ends: a camera that the store cannot forget would be back at the next start.
            self.jobs.store.delete_stream(id)?;
        }
        let Running { stream, thread, waiting, .. } = {
            let mut running = lock(&self.running);
            // Another caller may have been quicker.
            let at = running.iter().position(|running| running.id == id);
            let at = at.ok_or_else(|| fault!(NotFound, "There is no such stream; it may have ended."))?;
            let found = running.remove(at);
            self.count(&running);
            found
        };
        stream.stop.cancel(Reason::Cancelled);
        // A source that hangs must not keep its recording open: nobody could find the stream to stop it.
        lock(&stream.recorder).close();
        match waiting {
            // There is no thread that would tell its viewers.
            Some(_) => stream.end(),
            None => {
                thread.wait(DELETE_PATIENCE);
            }
        }
        self.start_waiting();
        Ok(())
    }

    /// Ends all streams; network cameras are there again at the next start. False if some did not end in time.
    pub fn shut_down(&self, patience: Duration) -> bool {
        self.closing.begin();
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
