//! `GET /api/videos/{id}/events`: everything that was and will be found on a video.
//!
//! Frames are read from the store, past ones and new ones alike; the hub only says that there are more. So there is no
//! gap and no repeat, a slow viewer costs no memory, and a late one gets the very same text.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::time::Instant;
use warp::{Filter, filters::BoxedFilter, reply::Response, ws::Message};

use super::{
    Web, blocking,
    problem::answer,
    query::Query,
    socket::{self, Asked, Goodbye, Incoming, Sender},
    with,
};
use crate::{
    event::Event,
    jobs::{Following, FrameRow, Recording, Video, VideoState},
};

/// Frames read from the store at a time.
const PAGE: usize = 256;
/// The status is said at least this often while work runs; a ping takes its place when none does.
const TELL_EVERY: Duration = Duration::from_millis(900);
const PING_EVERY: Duration = Duration::from_secs(20);

pub fn routes(web: &Arc<Web>) -> BoxedFilter<(Response,)> {
    warp::path!("api" / "videos" / String / "events")
        .and(warp::get())
        .and(with(web))
        .and(warp::query::<HashMap<String, String>>())
        .and(socket::asked())
        .and_then(|id, web, query, ws| answer(open(id, web, Query(query), ws)))
        .boxed()
}

/// Follows a video's events.
#[utoipa::path(get, path = "/api/videos/{id}/events", tag = "videos",
    params(("id" = String, Path), ("from" = Option<u64>, Query, description = "first frame to be sent")),
    responses((status = 101, description = "WebSocket; text messages as described under `FrameEvent` and in docs/ref/api.md"),
        (status = 404, body = super::problem::Problem), (status = 429, body = super::problem::Problem)))]
pub async fn open(id: String, web: Arc<Web>, query: Query, ws: Asked) -> crate::error::Result<Response> {
    let from = query.count("from", 0)?.unwrap_or(0);
    let changes = blocking({
        let web = web.clone();
        move || web.jobs.follow(&id)
    })
    .await?;
    socket::accept(web, ws, move |web, sender, mut incoming| async move {
        let mut viewer = Viewer { web, sender, next: from, told: None, told_last: false, recordings: HashMap::new() };
        let goodbye = viewer.follow(changes, &mut incoming).await;
        if let Some(goodbye) = goodbye {
            viewer.sender.close(goodbye, &mut incoming).await;
        }
    })
}

struct Viewer {
    web: Arc<Web>,
    sender: Sender,
    /// The next frame to be sent.
    next: u64,
    /// The state that was told last, and when.
    told: Option<(VideoState, Instant)>,
    /// The final state was told after the last frame.
    told_last: bool,
    /// Progress of recordings that was told last.
    recordings: HashMap<String, (u64, bool)>,
}

impl Viewer {
    /// Until the end of the video, of the server or of the viewer; None when the viewer is gone.
    async fn follow(&mut self, mut changes: Following, incoming: &mut Incoming) -> Option<Goodbye> {
        let shutdown = self.web.shutdown.clone();
        let mut pinged = Instant::now();
        loop {
            let now = changes.borrow_and_update().clone();
            let Some(video) = now.video else {
                let words = crate::fault!(NotFound, "The video was deleted.");
                self.sender.send(socket::error_message(&words)).await.then_some(())?;
                return Some(Goodbye::Gone);
            };
            if self.told.is_none() {
                self.tell_status(&video).await?;
            }
            // Before the status that counts them: whoever reads `done` has every frame.
            if let Err(error) = self.send_frames(&video).await? {
                self.sender.send(socket::error_message(&error)).await.then_some(())?;
                return Some(Goodbye::Gone);
            }
            self.tell_status(&video).await?;
            self.tell_recordings(&now.recordings).await?;
            let working = now.recordings.iter().any(|recording| !recording.state.is_final());
            if video.state.is_final() && !working && !changes.has_changed().unwrap_or(false) {
                if let Some(error) = &video.error {
                    self.send(&Event::<(), ()>::Error { detail: error.clone() }).await?;
                }
                self.send(&Event::<(), ()>::End).await?;
                return Some(Goodbye::Done);
            }
            if pinged.elapsed() > PING_EVERY {
                pinged = Instant::now();
                self.sender.send(Message::ping(Vec::new())).await.then_some(())?;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { tokio::task::yield_now().await },
                () = tokio::time::sleep(TELL_EVERY) => {}
                () = shutdown.cancelled() => return Some(Goodbye::Stopping),
                message = incoming.next() => match message {
                    Some(_) => {}
                    _ => return None,
                },
            }
        }
    }

    async fn send<E: Serialize>(&mut self, event: &E) -> Option<()> {
        let text = serde_json::to_string(event).ok()?;
        self.sender.send(Message::text(text)).await.then_some(())
    }

    async fn tell_status(&mut self, video: &Video) -> Option<()> {
        let due = match self.told {
            None => true,
            Some((_, _)) if video.state.is_final() => !self.told_last,
            Some((state, when)) => state != video.state || when.elapsed() >= TELL_EVERY,
        };
        if due {
            self.told = Some((video.state, Instant::now()));
            self.told_last = video.state.is_final() && self.next >= video.frames_done;
            self.send(&Event::<&Video, ()>::Status(video)).await?;
        }
        Some(())
    }

    async fn tell_recordings(&mut self, recordings: &[Recording]) -> Option<()> {
        for recording in recordings {
            let progress = (recording.frames_done, recording.state.is_final());
            if self.recordings.insert(recording.id.clone(), progress) != Some(progress) {
                self.send(&Event::<(), &Recording>::Recording(recording)).await?;
            }
        }
        Some(())
    }

    /// Sends what is stored and was not sent. Outer None: the viewer is gone.
    async fn send_frames(&mut self, video: &Video) -> Option<crate::error::Result<()>> {
        while self.next < video.frames_done {
            let (web, seq, from) = (self.web.clone(), video.seq, self.next);
            let rows = match blocking(move || web.jobs.store.frames(seq, from, PAGE)).await {
                Ok(rows) => rows,
                Err(error) => return Some(Err(error)),
            };
            let Some(last) = rows.last() else { break };
            self.next = last.frame + 1;
            for row in &rows {
                self.sender.feed(Message::text(frame_event(row))).await.then_some(())?;
            }
            self.sender.flush().await.then_some(())?;
            if self.web.shutdown.is_cancelled() {
                break;
            }
        }
        Some(Ok(()))
    }
}

/// The event of a stored frame; [`crate::event::FrameEvent`] with the detections' text as it was stored.
pub fn frame_event(row: &FrameRow) -> String {
    format!(
        r#"{{"type":"frame","frame":{},"time":{},"width":{},"height":{},"detections":{}}}"#,
        row.frame, row.time, row.width, row.height, row.detections
    )
}
