//! A network camera's thread: connect, work, and when it breaks, wait and connect again.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use rand::RngExt;
use serde::Deserialize;

use super::{
    Running, Stream, StreamInfo, StreamKind, StreamState, Streams, Wishes,
    crew::Crew,
    stream::lock,
    worker::{Manner, Worker},
};
use crate::{
    error::{Error, Result},
    fault,
    jobs::Jobs,
    media::{NetworkSource, StreamAddress},
};

/// The pauses between attempts grow from the first to the longest, by half again each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A connection that worked for so long was a good one: the pauses begin anew.
const GOOD: Duration = Duration::from_secs(10);

/// The body of `POST /api/streams`.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNetworkStream {
    /// `rtsp://`, `rtsps://`, `http://`, `https://` or `srt://`; user and password stand in front of the host.
    pub url: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub threshold: Option<f32>,
}

impl Streams {
    /// Takes on a network camera; it connects by itself, now and whenever it was lost.
    ///
    /// # Errors
    /// An address that is none or not allowed, an unknown model, or too many streams.
    pub fn add_network(self: &Arc<Self>, new: NewNetworkStream) -> Result<Arc<Stream>> {
        let address = self.address(&new.url)?;
        if new.threshold.is_some_and(|score| !(score > 0.0 && score < 1.0)) {
            return Err(fault!(BadRequest, "`threshold` must lie between 0 and 1, for example 0.25."));
        }
        self.check_room()?;
        let wishes = Wishes { name: new.name, model: new.model, threshold: new.threshold };
        let info = self.describe(StreamKind::Network, wishes)?;
        let info =
            self.jobs.store.insert_stream(&StreamInfo { url: Some(address.shown()), ..info }, address.secret())?;
        self.connect(info.clone(), new.url).inspect_err(|_| {
            let _ = self.jobs.store.delete_stream(&info.id);
        })
    }

    /// Takes up the network cameras of an earlier process. Those for which there is no place are listed and wait.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn resume(self: &Arc<Self>) -> Result<()> {
        let mut running = lock(&self.running);
        for (info, secret) in self.jobs.store.streams()? {
            // Counts go on; what was measured does not.
            let state = if info.state == StreamState::Paused { StreamState::Paused } else { StreamState::Connecting };
            let (id, stream) = (info.id.clone(), Arc::new(Stream::new(StreamInfo { state, ..info })));
            stream.change(|info| (info.state, info.error, info.retry_at) = (StreamState::Waiting, None, None));
            running.push(Running { id, stream, thread: Crew::default(), waiting: Some(secret) });
        }
        drop(running);
        self.start_waiting();
        let running = lock(&self.running);
        for one in running.iter().filter(|one| one.waiting.is_some()) {
            let most = self.settings.most;
            tracing::warn!(id = one.id, most, "a network camera waits: as many streams run as may (--max-streams)");
            one.stream.settle(|info| info.error = Some(self.no_place().detail));
        }
        Ok(())
    }

    /// Starts network cameras that wait, the oldest first, while there is room for them.
    pub(super) fn start_waiting(self: &Arc<Self>) {
        loop {
            let (stream, thread, url) = {
                let mut running = lock(&self.running);
                if self.jobs.is_stopping() || self.check_places(&running).is_err() {
                    return;
                }
                let Some(next) = running.iter_mut().find(|running| running.waiting.is_some()) else { return };
                let found = (next.stream.clone(), next.thread.clone(), next.waiting.take().unwrap_or_default());
                self.count(&running);
                found
            };
            let state = if stream.is_paused() { StreamState::Paused } else { StreamState::Connecting };
            stream.settle(|info| (info.state, info.error) = (state, None));
            let address = url.clone();
            if let Err(error) = self.spawn(&stream, &thread, move |streams, stream| streams.follow(stream, &address)) {
                tracing::warn!(error = %error.full(), "a network camera cannot be started; it waits");
                let id = stream.look(|info| info.id.clone());
                let mut running = lock(&self.running);
                if let Some(one) = running.iter_mut().find(|one| one.id == id) {
                    one.waiting = Some(url);
                }
                self.count(&running);
                drop(running);
                stream.settle(|info| (info.state, info.error) = (StreamState::Waiting, Some(error.detail)));
                return;
            }
        }
    }

    /// `url`: with user and password.
    fn connect(self: &Arc<Self>, info: StreamInfo, url: String) -> Result<Arc<Stream>> {
        self.run(info, move |streams, stream| streams.follow(stream, &url))
    }

    fn address(&self, url: &str) -> Result<StreamAddress> {
        StreamAddress::parse(url, &self.settings.rules)
    }

    /// Until the stream is stopped.
    fn follow(&self, stream: &Stream, url: &str) {
        let id = stream.look(|info| info.id.clone());
        let mut worker = Worker::new(
            &self.jobs,
            stream,
            Manner::default(),
            stream.look(|info| info.frames_done + info.frames_dropped),
        );
        let mut pause = FIRST_PAUSE;
        while !stream.stop.is_cancelled() {
            let begun = Instant::now();
            let attempt = || {
                let model = self.model(stream)?;
                let (limits, silence) = (&self.jobs.settings.limits, self.settings.silence);
                // Asked again each time: after a restart the operator may allow less.
                let address = self.address(url)?;
                let mut source = NetworkSource::open(&id, &address, &self.settings.rules, limits, silence)?;
                worker.run(&mut source, &*model)
            };
            // A camera that is in the store does not vanish from the list because one attempt panicked.
            let outcome = catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|_| {
                let detail = "Something unexpected happened inside the server; its log says more.";
                Err(Error::internal(detail, "the work on a network camera panicked"))
            });
            if stream.stop.is_cancelled() {
                break;
            }
            if begun.elapsed() > GOOD + self.settings.silence {
                pause = FIRST_PAUSE;
            }
            let error = match outcome {
                Ok(()) => fault!(Unavailable, "The camera has ended the stream."),
                Err(error) => error,
            };
            self.wait(stream, &error, pause);
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
        self.jobs.keep_stream(stream);
    }

    /// Tells why, keeps how it stands, and waits for the next attempt.
    fn wait(&self, stream: &Stream, error: &Error, pause: Duration) {
        // Cameras behind one broken switch should not all come back in the same instant.
        let pause = pause.mul_f64(rand::rng().random_range(0.8..1.2));
        tracing::info!(
            id = stream.look(|info| info.id.clone()),
            error = %error.detail,
            seconds = pause.as_secs_f32(),
            "a network camera gives nothing; it is tried again"
        );
        let at = time::OffsetDateTime::now_utc() + pause;
        lock(&stream.rates).clear();
        stream.settle(|info| {
            info.state = StreamState::Reconnecting;
            info.error = Some(error.detail.clone());
            info.retry_at = at.format(&time::format_description::well_known::Rfc3339).ok();
        });
        self.jobs.keep_stream(stream);
        stream.stop.wait(pause);
    }
}

impl Jobs {
    /// Keeps how a network camera stands for the next start; other streams are not kept.
    pub fn keep_stream(&self, stream: &Stream) {
        let info = stream.info();
        if info.kind != StreamKind::Network {
            return;
        }
        let state = if stream.is_paused() { StreamState::Paused } else { info.state };
        if let Err(error) = self.store.update_stream(&StreamInfo { state, ..info }) {
            tracing::warn!(error = %error.full(), "cannot store how a stream stands");
        }
    }
}
